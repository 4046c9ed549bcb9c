//! What the texts of a configuration say by themselves: templates that could never be filled, and packages without a program.

use crate::configuration::{Configuration, Entry};
use crate::program::ProgramManifest;
use crate::template::{self, TemplateError};
use crate::text::{Key, Name};
use crate::yaml::ParseError;

/// A configuration of which an entry can never be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("configuration `{configuration}`: {fault}")]
pub struct InvalidContent {
    /// Its name.
    pub configuration: Name,
    /// The entry.
    pub key: Key,
    /// What is wrong.
    pub fault: Box<ContentFault>,
}

/// What can be wrong in a text of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentFault {
    /// A template that cannot be filled.
    #[error("a template, {0}")]
    Template(#[from] TemplateError),
    /// A `program.yml` that names no program.
    #[error("{}:{}:{}: {}", .0.source_name, .0.line, .0.column, .0.message)]
    Manifest(#[from] ParseError),
}

impl InvalidContent {
    /// The field at fault.
    #[must_use]
    pub fn path(&self) -> String {
        format!("data.{}", self.key)
    }

    /// What to do, where it is more than the message says.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match &*self.fault {
            ContentFault::Manifest(error) => error.hint.clone(),
            ContentFault::Template(_) => None,
        }
    }
}

impl Configuration {
    /// Checks what its texts say by themselves. What its objects hold is known to nobody before they are fetched.
    ///
    /// # Errors
    /// The first entry that can never be used.
    pub fn validate(&self) -> Result<(), InvalidContent> {
        for (key, entry) in &self.data {
            let Entry::Text(text) = entry else { continue };
            self.check(key, text).map_err(|fault| InvalidContent {
                configuration: self.name.clone(),
                key: key.clone(),
                fault: Box::new(fault),
            })?;
        }
        Ok(())
    }

    fn check(&self, key: &Key, text: &str) -> Result<(), ContentFault> {
        if self.template {
            template::check(text)?;
        }
        if self.is_package() && key.as_str() == ProgramManifest::FILE {
            self.check_program(&ProgramManifest::parse(ProgramManifest::FILE, text)?)?;
        }
        Ok(())
    }

    /// A program that lies in no object is an entry itself.
    fn check_program(&self, manifest: &ProgramManifest) -> Result<(), ParseError> {
        let program = manifest.entry().trim_start_matches("./");
        match self.objects().next().is_some() || self.data.contains_key(program) {
            true => Ok(()),
            false => Err(manifest.refused("is no entry of the package")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    fn told(text: &str) -> Option<String> {
        parse("f.yml", text).err().map(|error| error.to_string())
    }

    fn package(manifest: &str, more: &str) -> String {
        format!(
            "kind: configuration\nname: weather\nlabels: {{baetyl-config-type: baetyl-program}}\ndata:\n  \
             program.yml: |\n    # what to run\n    {manifest}\n{more}"
        )
    }

    #[test]
    fn a_template_that_can_never_be_filled_is_refused_where_it_stands() {
        let text =
            "kind: configuration\nname: conf\ntemplate: true\ndata:\n  a: '{{.PORT}}'\n  b: '{{ .Foo | upper }}'\n";
        let expected =
            "f.yml:6:6: data.b: configuration `conf`: a template, line 1: `{{ .Foo | upper }}` is no variable";
        assert!(told(text).unwrap().starts_with(expected), "{:?}", told(text));
        assert_eq!(told(&text.replace("template: true\n", "")), None);
        assert_eq!(told(&text.replace(" | upper", "")), None);
    }

    #[test]
    fn a_program_yml_in_a_package_is_read_as_it_will_be() {
        let slip = told(&package("entrie: run.sh", "  run.sh: ''\n")).unwrap();
        assert!(slip.starts_with("f.yml:6:5: data.program.yml: "), "{slip}");
        assert!(
            slip.ends_with("program.yml:2:1: unknown key `entrie` (known here: entry)"),
            "{slip}"
        );
        let absent = told(&package("entry: run.sh", "")).unwrap();
        assert!(
            absent.contains("program.yml:2:8: entry `run.sh` is no entry of the package"),
            "{absent}"
        );
        for good in [
            package("entry: ./run.sh", "  run.sh: ''\n"),
            package(
                "entry: bin/run",
                "  any.zip: {url: 'file:///a.zip', unpack: zip, platform: any}\n",
            ),
            package("entrie: x", "").replace("baetyl-program}", "other}"),
        ] {
            assert_eq!(told(&good), None, "{good}");
        }
    }
}
