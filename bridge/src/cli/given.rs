//! The flags under "Credential": one that the person gives in place of a sign-in, by a variable or a command. No secret is an
//! argument of these, but a command's own may be one: none is shown. `settings::Given` is what comes of them.

use std::convert::Infallible;
use std::time::Duration;

use clap::Args;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::headers::Variable;
use crate::problem::{Code, Problem};
use crate::secret::Secret;
use crate::settings::{CommandLine, Given, header_value};
use crate::untrusted::Untrusted;

/// The keys of these flags: whoever has one signs in nowhere.
pub(super) const GIVING: [&str; 3] = ["bearer-token-env", "header-command", "token-command"];

/// What stands in place of a sign-in.
#[derive(Debug, Args)]
pub(super) struct GivenArgs {
    /// The environment variable that holds a token, in place of a sign-in
    #[arg(long, value_name = "VAR", help_heading = "Credential")]
    bearer_token_env: Option<String>,
    /// A command that prints a token, in place of a sign-in: bare, or as JSON with `access_token` and perhaps `expires_in`. No
    /// shell runs it
    #[arg(long, value_name = "COMMAND", value_parser = secret, help_heading = "Credential")]
    token_command: Option<Secret>,
    /// A command that prints headers for every request, in place of a sign-in: one `Name: value` a line, or JSON with `headers`
    #[arg(long, value_name = "COMMAND", value_parser = secret, help_heading = "Credential")]
    header_command: Option<Secret>,
    /// How long such a command may take
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=3600), help_heading = "Credential")]
    command_timeout: u32,
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

impl GivenArgs {
    /// Where the credential comes from; that of a variable is put among the headers.
    ///
    /// # Errors
    /// Two credentials, a variable that is not set, a command line that is none.
    pub(super) fn given(self, headers: &mut HeaderMap, variable: Variable<'_>) -> Result<Option<Given>, Problem> {
        let mut named = Vec::new();
        named.extend(self.bearer_token_env.is_some().then_some("`--bearer-token-env`"));
        named.extend(self.token_command.is_some().then_some("`--token-command`"));
        named.extend(self.header_command.is_some().then_some("`--header-command`"));
        named.extend((!named.is_empty() && headers.contains_key(AUTHORIZATION)).then_some("an `Authorization` header"));
        if named.len() > 1 {
            let what = format!("{} are given, and each is a credential of its own", named.join(" and "));
            let hint = "keep one; a variable or the configuration file may bring the other";
            return Err(Problem::new(Code::InvalidSetting, what, hint));
        }
        let limit = Duration::from_secs(self.command_timeout.into());
        let command = |flag: &str, line: Option<Secret>| line.map(|line| CommandLine::parse(flag, &line)).transpose();
        let token = command("--token-command", self.token_command)?.map(|line| Given::Token(line, limit));
        let lines = command("--header-command", self.header_command)?.map(|line| Given::Headers(line, limit));
        let Some(name) = self.bearer_token_env else { return Ok(token.or(lines)) };
        headers.insert(AUTHORIZATION, header_value(&AUTHORIZATION, &bearer(&name, variable)?).map_err(|_| no_token())?);
        Ok(Some(Given::Variable(name)))
    }
}

fn bearer(name: &str, variable: Variable<'_>) -> Result<zeroize::Zeroizing<String>, Problem> {
    let refused = |why: String| {
        let hint = "set it in the `env` block of the host's entry; the flag names the variable, not the token";
        Problem::new(Code::InvalidSetting, why, hint)
    };
    if name.is_empty() || name.contains(['=', '\0']) {
        // Perhaps it is the token itself.
        return Err(refused("`--bearer-token-env` is not the name of an environment variable".to_owned()));
    }
    let from = format!("the variable `{}` of `--bearer-token-env`", Untrusted::new(name));
    let value = variable(name).ok_or_else(|| refused(format!("{from} is not set")))?;
    let value = value.into_string().map(zeroize::Zeroizing::new);
    let value = value.map_err(|_| refused(format!("{from} is not text")))?;
    match value.trim() {
        "" => Err(refused(format!("{from} is empty"))),
        token if token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(zeroize::Zeroizing::new(format!("Bearer {token}")))
        }
        _ => Err(refused(format!("{from} holds more than a token"))),
    }
}

fn no_token() -> Problem {
    Problem::new(Code::Internal, "a token of visible characters is no header's value", "report this as a bug")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use http::HeaderValue;

    use super::*;

    fn args(variable: Option<&str>, token: Option<&str>, headers: Option<&str>) -> GivenArgs {
        GivenArgs {
            bearer_token_env: variable.map(str::to_owned),
            token_command: token.map(Secret::new),
            header_command: headers.map(Secret::new),
            command_timeout: 30,
        }
    }

    fn variable(name: &str) -> Option<OsString> {
        match name {
            "TOKEN" => Some(" hunter2\n".into()),
            "EMPTY" => Some(" ".into()),
            "TWO" => Some("hunter2 hunter3".into()),
            _ => None,
        }
    }

    #[test]
    fn a_token_in_a_variable_goes_among_the_headers_and_is_not_shown() {
        let mut headers = HeaderMap::new();
        let given = args(Some("TOKEN"), None, None).given(&mut headers, &variable).unwrap();
        assert_eq!(given, Some(Given::Variable("TOKEN".to_owned())));
        assert_eq!(headers[AUTHORIZATION], "Bearer hunter2");
        assert!(headers[AUTHORIZATION].is_sensitive());
    }

    #[test]
    fn a_variable_that_holds_no_token_is_named_and_not_shown() {
        for (name, shown) in [("ABSENT", true), ("EMPTY", true), ("TWO", true), ("hunter2=", false), ("", true)] {
            let problem = args(Some(name), None, None).given(&mut HeaderMap::new(), &variable).unwrap_err();
            assert_eq!(problem.code, Code::InvalidSetting);
            assert_eq!(problem.message.contains(name), shown, "{problem}");
            assert!(!problem.message.contains("hunter"), "{problem}");
        }
    }

    #[test]
    fn two_credentials_are_refused_and_both_are_named() {
        let authorization = || HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Basic hunter2"))]);
        let table = [
            (args(Some("TOKEN"), Some("a"), None), HeaderMap::new(), ["--bearer-token-env", "--token-command"]),
            (args(None, Some("a"), Some("b")), HeaderMap::new(), ["--token-command", "--header-command"]),
            (args(Some("TOKEN"), None, None), authorization(), ["--bearer-token-env", "Authorization"]),
            (args(None, Some("a"), None), authorization(), ["--token-command", "Authorization"]),
            (args(None, None, Some("a")), authorization(), ["--header-command", "Authorization"]),
        ];
        for (args, mut headers, names) in table {
            let problem = args.given(&mut headers, &variable).unwrap_err();
            assert_eq!(problem.code, Code::InvalidSetting);
            assert!(names.iter().all(|name| problem.message.contains(name)), "{problem}");
            assert!(!problem.message.contains("hunter2"), "{problem}");
        }
        assert_eq!(args(None, None, None).given(&mut authorization(), &variable).unwrap(), None);
    }
}
