//! The shape of every kind, as one table.
pub struct Schema;
pub struct Type;
pub struct Field;
impl Schema {
    pub fn parse(_text: &'static str) -> Self {
        Self
    }
    pub fn get(&self, _name: &str) -> Option<&Type> {
        None
    }
    pub fn by_kind(&self, _api_version: &str, _kind: &str) -> Option<&Type> {
        None
    }
}
