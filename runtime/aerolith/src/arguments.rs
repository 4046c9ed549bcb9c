//! The command line, as clap reads it.

pub(crate) mod package;

use std::path::PathBuf;

use aerolith_model::{GoDuration, ResourceKind};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use clap_complete::engine::ArgValueCandidates;

use crate::completion;
use crate::target::Target;
use package::Package;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the message says why
  2  wrong use, or a file that is not valid
  3  the daemon cannot be reached
  4  a dry run with --detailed-exit-code found something to be done

Names of resources have 2 to 63 of a-z, 0-9, - and ., a letter or digit at both ends; an application's has
at most 55, a service's no dots.

Without --socket, the daemon's socket is what aerolith.yml says, else /run/aerolith/aerolith.sock for
root and $XDG_RUNTIME_DIR/aerolith/aerolith.sock for anybody else. NO_COLOR switches colours off.";

/// Edge application runtime: runs applications, and the plugins that do everything else.
#[derive(Debug, Parser)]
#[command(name = "aerolith", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The daemon's socket [env: AEROLITH_SOCKET]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// How to write what was found
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For files.
    Yaml,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon
    Run(Run),
    /// Check files without a daemon, and print OK! when all are valid
    Check {
        /// Files in Aerolith's YAML or Baetyl's JSON, or folders of such; `-` is standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Make the resources of files desired
    Apply {
        /// A file, or a folder of such; `-` is standard input; may be given more than once
        #[arg(short, long, required = true, value_name = "FILE")]
        file: Vec<PathBuf>,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        patience: Patience,
    },
    /// Make resources desired no more
    Delete(Delete),
    /// Show resources as they are desired
    Get {
        /// Of which kind; one of them, or short as app or config, will do too
        kind: Kind,
        /// One of them
        #[arg(add = ArgValueCandidates::new(completion::resources))]
        name: Option<String>,
    },
    /// Show what runs, what waits, and why
    Ps {
        /// Only this application, service or instance
        #[arg(value_name = "APP[.SERVICE[.N]]", add = ArgValueCandidates::new(completion::targets))]
        target: Option<Target>,
    },
    /// Show how the node and its applications are, and what is wrong first
    Status {
        /// Every condition of this application and all of its parts
        #[arg(add = ArgValueCandidates::new(completion::applications))]
        application: Option<String>,
        /// Every condition of everything
        #[arg(short = 'v', long, visible_alias = "verbose", conflicts_with = "application")]
        all: bool,
    },
    /// Show what was deployed of an application, and what came of it
    History {
        /// Which one
        #[arg(add = ArgValueCandidates::new(completion::applications))]
        application: String,
    },
    /// Put an earlier deployment of an application back in force, as a new revision
    Rollback {
        /// Which one
        #[arg(add = ArgValueCandidates::new(completion::applications))]
        application: String,
        /// The revision of the deployment, as `history` shows it [default: the good one before the newest]
        #[arg(long, value_name = "REVISION", value_parser = number)]
        to: Option<u64>,
        #[command(flatten)]
        patience: Patience,
    },
    /// Try again what failed for good
    Retry {
        /// An application with all of its instances, those of one of its services, or one instance
        #[arg(value_name = "APP[.SERVICE[.N]]", add = ArgValueCandidates::new(completion::targets))]
        target: Target,
    },
    /// Show what instances wrote
    Logs(Logs),
    /// Show what happens, until interrupted
    Events {
        /// Topics, with + for one level and # for the rest
        #[arg(default_value = "#")]
        filter: String,
    },
    /// Look after plugins
    #[command(subcommand)]
    Plugin(Plugin),
    /// Make packages, and look into them
    #[command(subcommand)]
    Package(Package),
    /// Print the JSON Schema of a kind of file, or say which there are
    Schema {
        /// Which one
        #[arg(value_parser = crate::command::schemas())]
        name: Option<String>,
    },
    /// Show the version, and the daemon's where one runs
    Version,
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Configuration file [default: /etc/aerolith/aerolith.yml if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of what must outlive a boot [default: /var/lib/aerolith]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("what").required(true).args(["kind", "file"])),
    override_usage = "aerolith delete [OPTIONS] <KIND> <NAME>\n       aerolith delete [OPTIONS] --file <FILE>"
)]
pub(crate) struct Delete {
    /// Of which kind
    #[arg(requires = "name")]
    pub(crate) kind: Option<Kind>,
    /// Which one
    #[arg(add = ArgValueCandidates::new(completion::resources))]
    pub(crate) name: Option<String>,
    /// Everything that stands in a file, or in a folder of such; `-` is standard input; may be given more than once
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// How an apply is meant.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct How {
    /// Only say what would be done
    #[arg(long, conflicts_with = "wait")]
    pub(crate) dry_run: bool,
    /// With --dry-run, exit code 4 if there is something to be done
    #[arg(long, requires = "dry_run")]
    pub(crate) detailed_exit_code: bool,
    /// Delete whatever does not stand in the file, in the same transaction
    #[arg(long)]
    pub(crate) prune: bool,
    /// With --prune, take a file without any resource: everything is deleted
    #[arg(long, requires = "prune")]
    pub(crate) allow_empty: bool,
}

/// Whether to wait until what was asked is so.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Patience {
    /// Wait until the applications concerned run, or are gone; exit code 1 with the reasons if that does not come
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "5m", requires = "wait")]
    pub(crate) timeout: GoDuration,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Go on until interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only the last lines
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) tail: Option<u64>,
    /// Whose: an application, one of its services, or one instance of that
    #[arg(value_name = "APP[.SERVICE[.N]]", add = ArgValueCandidates::new(completion::targets))]
    pub(crate) target: Target,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Show all plugin instances
    List,
    /// Show one plugin instance and its manifest
    Inspect {
        /// The instance
        #[arg(add = ArgValueCandidates::new(completion::plugins))]
        name: String,
    },
    /// Check a plugin's file without a daemon and without running any of its code
    Check {
        /// The file
        file: PathBuf,
    },
    /// Install a plugin's file, in running instances too
    Install {
        /// The file
        file: PathBuf,
    },
    /// Switch an instance on, for good
    Enable {
        /// The instance
        #[arg(add = ArgValueCandidates::new(completion::plugins))]
        name: String,
    },
    /// Switch an instance off, for good
    Disable {
        /// The instance
        #[arg(add = ArgValueCandidates::new(completion::plugins))]
        name: String,
    },
    /// Go back to the file before the last one
    Rollback {
        /// The plugin or the instance
        #[arg(add = ArgValueCandidates::new(completion::plugins))]
        name: String,
    },
}

/// A kind of resource; singular, plural or in the usual short form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    #[value(aliases = ["application", "apps", "app"])]
    Applications,
    #[value(aliases = ["configuration", "configs", "config"])]
    Configurations,
    #[value(alias = "secret")]
    Secrets,
}

impl From<Kind> for ResourceKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Applications => Self::Application,
            Kind::Configurations => Self::Configuration,
            Kind::Secrets => Self::Secret,
        }
    }
}

/// A whole number, and what is said of a text that is none.
fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number".into())
}

#[cfg(test)]
mod tests;
