//! Whole deployments from a seed, for tests; beside them stand the architecture tests and the generated documents.
