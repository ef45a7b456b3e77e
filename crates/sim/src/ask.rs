//! What an actor wants from the deployment, before a dialect spells it.

use http::Method;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A token.
    Token(TokenAsk),
    /// A call to the sample API.
    Call(CallAsk),
    /// A question or a wish about a token.
    About(AboutAsk),
    /// A document that anybody may read: the endpoint's place in `Endpoint::ALL`.
    Document {
        /// The realm.
        house: usize,
        /// Place in `Endpoint::ALL`.
        endpoint: usize,
    },
    /// Bytes that make no sense; they must be refused.
    Nonsense(Nonsense),
}

/// A token request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAsk {
    /// The realm that is asked.
    pub house: usize,
    /// Who asks.
    pub client_id: String,
    /// What it shows; nothing if it shows no secret.
    pub secret: Option<String>,
    /// Where the credentials stand.
    pub placed: Placed,
    /// The scope as it is sent.
    pub scope: Option<String>,
    /// What is presented.
    pub grant: GrantAsk,
}

/// A question or a wish about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AboutAsk {
    /// Who asks: the realm, the client and its credentials.
    pub by: TokenAsk,
    /// The token.
    pub token: String,
    /// What is wanted.
    pub wish: Wish,
}

/// What is wanted of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To know what it says.
    Introspect,
    /// That it ends.
    Revoke,
}

/// What is presented for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantAsk {
    /// The credentials alone.
    ClientCredentials,
    /// A refresh token.
    Refresh(String),
    /// A grant type that nobody knows.
    Unknown(&'static str),
}

/// Where a client's credentials stand in a token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// In the Authorization header.
    Header,
    /// In the body.
    Body,
    /// In both.
    Both,
}

/// A call to the sample API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallAsk {
    /// The realm at whose host the API is.
    pub house: usize,
    /// Place of the API in the realm.
    pub resource: usize,
    /// Place of the operation in the API.
    pub operation: usize,
    /// The token that is shown.
    pub token: Option<String>,
    /// The API key that is shown.
    pub api_key: Option<String>,
}

/// A request that must be refused whatever the state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonsense {
    /// What is wrong with it.
    pub what: &'static str,
    /// The realm whose host it names.
    pub house: usize,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Headers beside the host.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Ask {
    /// The realm that is asked.
    #[must_use]
    pub const fn house(&self) -> usize {
        match self {
            Self::Token(ask) => ask.house,
            Self::Call(ask) => ask.house,
            Self::About(ask) => ask.by.house,
            Self::Document { house, .. } => *house,
            Self::Nonsense(ask) => ask.house,
        }
    }

    /// What is asked for, for a transcript's title.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Token(TokenAsk { grant: GrantAsk::Refresh(_), .. }) => "shows a refresh token".to_owned(),
            Self::Token(_) => "asks for a token".to_owned(),
            Self::Call(_) => "calls the API".to_owned(),
            Self::About(AboutAsk { wish: Wish::Introspect, .. }) => "asks what a token says".to_owned(),
            Self::About(AboutAsk { wish: Wish::Revoke, .. }) => "wants to end a token".to_owned(),
            Self::Document { .. } => "reads a document".to_owned(),
            Self::Nonsense(ask) => format!("sends {}", ask.what),
        }
    }
}
