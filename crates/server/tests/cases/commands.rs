//! What an administrator's commands promise: a client that is switched off stays off, ids are never given twice, nobody can
//! change the audit trail, and the admin API asks for its own tokens.
