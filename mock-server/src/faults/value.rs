//! A fault as it is set: with the value that some of them take, typed. It knows no fault by name; the table is in
//! `faults.rs`.

use std::fmt;
use std::str::FromStr;

use crate::faults::Fault;

/// What a fault takes behind its name, as in `retry-after=2`; without a value it takes the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Takes {
    /// Nothing: its name says all.
    Nothing,
    /// A whole number.
    Number {
        /// What is counted, as a placeholder: `SECONDS`.
        of: &'static str,
        /// The number if none is given.
        default: u64,
    },
    /// A time in milliseconds; `ms` may follow the number.
    Milliseconds {
        /// The time if none is given.
        default: u64,
    },
    /// Any text.
    Text {
        /// What it is, as a placeholder: `CODE`.
        of: &'static str,
        /// The text if none is given.
        default: &'static str,
    },
}

impl Takes {
    /// What stands for the value in a usage text, if there is one.
    #[must_use]
    pub fn placeholder(self) -> Option<&'static str> {
        match self {
            Takes::Nothing => None,
            Takes::Milliseconds { .. } => Some("MILLISECONDS"),
            Takes::Number { of, .. } | Takes::Text { of, .. } => Some(of),
        }
    }

    fn default_value(self) -> Value {
        match self {
            Takes::Nothing => Value::None,
            Takes::Number { default, .. } | Takes::Milliseconds { default } => Value::Number(default),
            Takes::Text { default, .. } => Value::Text(default.to_owned()),
        }
    }

    fn read(self, fault: Fault, text: &str) -> Result<Value, WrongFault> {
        let number = |text: &str| text.parse().ok().map(Value::Number);
        let read = match self {
            Takes::Nothing => return Err(WrongFault::TakesNothing { fault, value: text.to_owned() }),
            Takes::Number { .. } => number(text),
            Takes::Milliseconds { .. } => number(text.strip_suffix("ms").unwrap_or(text)),
            Takes::Text { .. } => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
        };
        let wanted = self.placeholder().unwrap_or_default();
        read.ok_or_else(|| WrongFault::Value { fault, wanted, value: text.to_owned() })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    None,
    Number(u64),
    Text(String),
}

/// A fault with its value; made of a [`Fault`] (then with the default), by [`Fault::with`], or of a text as `retry-after=2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSetting {
    fault: Fault,
    value: Value,
}

/// A text is no fault with its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongFault {
    /// No fault has this name.
    #[error("there is no fault `{0}`")]
    Unknown(String),
    /// The fault has a name and no value.
    #[error("the fault `{fault}` takes no value, yet got `{value}`")]
    TakesNothing {
        /// The fault named.
        fault: Fault,
        /// What was given.
        value: String,
    },
    /// The value is of another type.
    #[error("the fault `{fault}` takes {wanted}, not `{value}`")]
    Value {
        /// The fault named.
        fault: Fault,
        /// What it takes: `SECONDS`, `MILLISECONDS`, …
        wanted: &'static str,
        /// What was given.
        value: String,
    },
}

impl Fault {
    /// This fault with a value, which is read as on the command line.
    ///
    /// # Errors
    /// [`WrongFault`]: the fault takes none, or one of another type.
    pub fn with(self, value: impl fmt::Display) -> Result<FaultSetting, WrongFault> {
        Ok(FaultSetting { fault: self, value: self.takes().read(self, &value.to_string())? })
    }
}

impl FaultSetting {
    /// Which fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// The number or the milliseconds, if it takes such.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        if let Value::Number(number) = self.value { Some(number) } else { None }
    }

    /// The text, if it takes one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }
}

impl From<Fault> for FaultSetting {
    fn from(fault: Fault) -> Self {
        FaultSetting { fault, value: fault.takes().default_value() }
    }
}

impl FromStr for FaultSetting {
    type Err = WrongFault;

    fn from_str(text: &str) -> Result<Self, WrongFault> {
        match text.split_once('=') {
            Some((name, value)) => name.parse::<Fault>()?.with(value),
            None => Ok(text.parse::<Fault>()?.into()),
        }
    }
}

impl fmt::Display for FaultSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::None => f.write_str(self.fault.name()),
            Value::Number(number) => write!(f, "{}={number}", self.fault),
            Value::Text(text) => write!(f, "{}={text}", self.fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FaultSetting, WrongFault};
    use crate::faults::Fault;

    fn read(text: &str) -> Result<FaultSetting, WrongFault> {
        text.parse()
    }

    #[test]
    fn every_fault_is_read_as_it_is_shown() {
        for fault in Fault::all() {
            let setting = FaultSetting::from(fault);
            assert_eq!(read(fault.name()), Ok(setting.clone()), "{fault}");
            assert_eq!(read(&setting.to_string()), Ok(setting), "{fault}");
        }
    }

    #[test]
    fn a_value_is_typed() {
        assert_eq!(read("slow=20ms").unwrap().number(), Some(20));
        assert_eq!(read("slow=20").unwrap().number(), Some(20));
        assert_eq!(read("expires-in=0").unwrap().number(), Some(0));
        assert_eq!(read("token-error=slow_down").unwrap().text(), Some("slow_down"));
        assert_eq!(Fault::Slow.with(5).unwrap().number(), Some(5));
    }

    #[test]
    fn a_wrong_value_is_refused() {
        assert!(matches!(read("wrong-planet=1"), Err(WrongFault::Unknown(name)) if name == "wrong-planet"));
        assert!(matches!(read("gzip=1"), Err(WrongFault::TakesNothing { fault: Fault::Gzip, .. })));
        for text in ["slow=soon", "slow=-1", "slow=", "expires-in=1.5", "expires-in=20ms", "token-error="] {
            assert!(matches!(read(text), Err(WrongFault::Value { .. })), "{text}");
        }
    }
}
