//! What a request says before its body.

/// The request line and the header fields, and what was read behind them.
pub struct Head {
    /// `GET`.
    pub method: String,
    /// `/mcp?a=b`.
    pub target: String,
    /// Names in lower case, and values as they came. A value is bytes: nothing says that it is UTF-8.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The bytes behind the head that came with it: the beginning of the body.
    pub rest: Vec<u8>,
}

impl Head {
    /// Returns the target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Returns the value of each field of this name, which is in lower case.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_slice())
    }
}
