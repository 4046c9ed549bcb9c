//! From what a machine says about itself to its platform (Baetyl takes containerd's default platform, with the same
//! sources: `CPU architecture` of /proc/cpuinfo, else the machine name of uname).

use crate::platform::Platform;

/// What is known of a machine.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// The system that this program was compiled for, as Rust names it.
    pub system: &'a str,
    /// The architecture that this program was compiled for, as Rust names it.
    pub architecture: &'a str,
    /// Text of /proc/cpuinfo.
    pub cpuinfo: Option<&'a str>,
    /// What `uname -m` says.
    pub uname: Option<&'a str>,
}

/// A platform, and from what it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// The platform.
    pub platform: Platform,
    /// One line for people.
    pub reason: String,
}

/// A machine for which there is no platform string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("compiled for {architecture} on {system}, for which no platform is known; set `platform` in the configuration")]
pub struct NoPlatform {
    architecture: String,
    system: String,
}

/// The platform of a machine.
///
/// # Errors
/// [`NoPlatform`] when this program was compiled for a system or architecture without a platform string.
pub fn detect(machine: &Machine<'_>) -> Result<Detected, NoPlatform> {
    let Machine {
        system, architecture, ..
    } = *machine;
    let bare: Platform = format!("{}-{}", go_system(system), go_architecture(architecture))
        .parse()
        .map_err(|_| NoPlatform {
            architecture: architecture.into(),
            system: system.into(),
        })?;
    let mut reason = format!("compiled for {architecture} on {system}");
    let mut variant = None;
    if !bare.variants().is_empty() {
        let (told, source) = told_variant(machine);
        reason = format!("{reason}; {source}");
        variant = told;
        if bare.is_arm32() && told.is_some_and(|v| v > 7) {
            variant = Some(7);
            reason.push_str("; a 32-bit program there runs as v7");
        }
    }
    Ok(Detected {
        platform: bare.with_variant(variant),
        reason,
    })
}

fn go_system(system: &str) -> &str {
    if system == "macos" { "darwin" } else { system }
}

fn go_architecture(architecture: &str) -> &str {
    match architecture {
        "x86" => "386",
        "loongarch64" => "loong64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "mips" if cfg!(target_endian = "little") => "mipsle",
        "mips64" if cfg!(target_endian = "little") => "mips64le",
        other => other,
    }
}

/// The version of the ARM architecture, and who told it.
fn told_variant(machine: &Machine<'_>) -> (Option<u8>, String) {
    if machine.system != "linux" {
        let baseline = (machine.architecture == "aarch64").then_some(8);
        return (baseline, "the baseline of this architecture".into());
    }
    if let Some((version, text)) = machine.cpuinfo.and_then(of_cpuinfo) {
        return (Some(version), text);
    }
    if let Some((version, name)) = machine.uname.and_then(|name| Some((of_uname(name)?, name))) {
        return (Some(version), format!("uname says {name}"));
    }
    (None, "neither /proc/cpuinfo nor uname tells the variant".into())
}

fn of_cpuinfo(text: &str) -> Option<(u8, String)> {
    let field = |name: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        fields
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let told = field("CPU architecture")?;
    let version = of_architecture(told)?;
    // The kernel of a Raspberry Pi 1 or Zero claims 7 for a core that is ARMv6.
    let model = field("model name").unwrap_or_default();
    if version == 7 && model.to_ascii_lowercase().starts_with("armv6-compatible") {
        return Some((6, format!("/proc/cpuinfo says CPU architecture {told}, but {model}")));
    }
    Some((version, format!("/proc/cpuinfo says CPU architecture {told}")))
}

/// The kernel's words for a version: `8`, `AArch64`, `7M`, `6TEJ`, `5TE`, or `?(12)` to `?(17)` for later ARMv7 cores.
fn of_architecture(told: &str) -> Option<u8> {
    if told.eq_ignore_ascii_case("aarch64") {
        return Some(8);
    }
    if told.starts_with("?(1") {
        return Some(7);
    }
    leading_digit(told)
}

/// `aarch64`, `armv8l`, `armv7l`, `armv6l`, `armv5tejl`.
fn of_uname(name: &str) -> Option<u8> {
    match name {
        "aarch64" | "arm64" => Some(8),
        _ => leading_digit(name.strip_prefix("armv")?),
    }
}

fn leading_digit(text: &str) -> Option<u8> {
    let mut bytes = text.bytes();
    let first = bytes.next().filter(u8::is_ascii_digit)?;
    (!bytes.next().is_some_and(|b| b.is_ascii_digit())).then(|| first - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(system: &str, architecture: &str, cpuinfo: &str, uname: &str) -> String {
        let given = |text: &'static str| (!text.is_empty()).then_some(text);
        let (cpuinfo, uname) = (given(cpuinfo.to_owned().leak()), given(uname.to_owned().leak()));
        detect(&Machine {
            system,
            architecture,
            cpuinfo,
            uname,
        })
        .unwrap()
        .platform
        .to_string()
    }

    fn cpu(architecture: &str, model: &str) -> String {
        format!(
            "processor\t: 0\nmodel name\t: {model}\nBogoMIPS\t: 38.40\nCPU implementer\t: 0x41\nCPU architecture: {architecture}\n\nprocessor\t: 1\nCPU architecture: 3\n"
        )
    }

    #[test]
    fn a_machine_without_variants_is_its_system_and_architecture() {
        assert_eq!(on("linux", "x86_64", "model name : AMD", "x86_64"), "linux-amd64");
        assert_eq!(on("windows", "x86_64", "", ""), "windows-amd64");
        assert_eq!(on("macos", "x86_64", "", ""), "darwin-amd64");
        assert_eq!(on("linux", "x86", "", "i686"), "linux-386");
        assert_eq!(on("linux", "riscv64", "", "riscv64"), "linux-riscv64");
        assert_eq!(on("linux", "loongarch64", "", ""), "linux-loong64");
    }

    #[test]
    fn arm64_on_linux_is_v8_by_cpuinfo_else_by_uname() {
        assert_eq!(on("linux", "aarch64", &cpu("8", "Cortex-A72"), ""), "linux-arm64-v8");
        assert_eq!(
            on("linux", "aarch64", &cpu("AArch64", "Cortex-A53"), ""),
            "linux-arm64-v8"
        );
        assert_eq!(on("linux", "aarch64", "", "aarch64"), "linux-arm64-v8");
        assert_eq!(on("linux", "aarch64", "processor: 0\n", "aarch64"), "linux-arm64-v8");
    }

    #[test]
    fn arm64_elsewhere_is_v8() {
        assert_eq!(on("macos", "aarch64", "", ""), "darwin-arm64-v8");
        assert_eq!(on("windows", "aarch64", "", ""), "windows-arm64-v8");
    }

    #[test]
    fn thirty_two_bit_arm_has_the_variant_of_its_core() {
        let model = "ARMv7 Processor rev 3 (v7l)";
        for (told, platform) in [
            ("7", "v7"),
            ("7M", "v7"),
            ("?(13)", "v7"),
            ("6TEJ", "v6"),
            ("5TEJ", "v5"),
            ("5TE", "v5"),
        ] {
            assert_eq!(
                on("linux", "arm", &cpu(told, model), ""),
                format!("linux-arm-{platform}")
            );
        }
        for (name, platform) in [("armv7l", "v7"), ("armv6l", "v6"), ("armv5tejl", "v5")] {
            assert_eq!(on("linux", "arm", "", name), format!("linux-arm-{platform}"));
        }
    }

    #[test]
    fn a_raspberry_pi_zero_that_claims_seven_is_v6() {
        let pi = cpu("7", "ARMv6-compatible processor rev 7 (v6l)");
        assert_eq!(on("linux", "arm", &pi, "armv6l"), "linux-arm-v6");
    }

    #[test]
    fn a_32_bit_program_on_a_v8_kernel_is_arm_v7() {
        assert_eq!(on("linux", "arm", &cpu("8", "Cortex-A72"), "aarch64"), "linux-arm-v7");
        assert_eq!(on("linux", "arm", "", "aarch64"), "linux-arm-v7");
        assert_eq!(on("linux", "arm", "", "armv8l"), "linux-arm-v7");
    }

    #[test]
    fn a_variant_that_nobody_tells_is_left_out() {
        assert_eq!(on("linux", "arm", "", ""), "linux-arm");
        assert_eq!(on("linux", "aarch64", &cpu("unknown", ""), "mystery"), "linux-arm64");
        assert_eq!(on("linux", "arm", &cpu("4T", ""), ""), "linux-arm");
    }

    #[test]
    fn the_reason_names_the_source() {
        let text = cpu("8", "Cortex-A72");
        let machine = Machine {
            system: "linux",
            architecture: "arm",
            cpuinfo: Some(&text),
            uname: None,
        };
        let reason = detect(&machine).unwrap().reason;
        assert_eq!(
            reason,
            "compiled for arm on linux; /proc/cpuinfo says CPU architecture 8; a 32-bit program there runs as v7"
        );
    }

    #[test]
    fn a_machine_without_a_platform_string_is_an_error_that_says_what_to_do() {
        let machine = Machine {
            system: "linux",
            architecture: "sparc64",
            cpuinfo: None,
            uname: None,
        };
        let error = detect(&machine).unwrap_err().to_string();
        assert!(
            error.contains("sparc64 on linux") && error.contains("set `platform`"),
            "{error}"
        );
    }
}
