//! `heng ops ca`: an authority in a folder, and the certificates of the roles that it issued.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use heng_security::ca::{Authority, Curve, Issued, Shown, show};
use serde_json::json;

use crate::serve::papers::{self, AUTHORITY, RoleFiles};
use crate::serve::roles::{ROLES, RoleRow};
use crate::show::say;

const DAY: Duration = Duration::from_secs(86_400);

/// Issues and rotates certificates of roles.
#[derive(Args, Debug)]
pub(super) struct CaArgs {
    #[command(subcommand)]
    what: CaCommand,
}

#[derive(Subcommand, Debug)]
enum CaCommand {
    /// Make a new authority in a folder 建立签发机构
    Init(InitArgs),
    /// Issue certificates, each with the SPIFFE id of its role 签发角色证书
    Issue(IssueArgs),
    /// Issue again what ends soon; running roles take the new files within a second 轮换即将到期的证书
    Rotate(RotateArgs),
    /// List the authority and the certificates of a folder 列出证书
    Show(FolderArgs),
}

#[derive(Args, Debug)]
struct FolderArgs {
    /// The folder of the authority
    #[arg(long)]
    dir: PathBuf,
    /// Print exactly one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CurveName {
    /// ECDSA on P-256: links speak AES or ChaCha20 with X25519MLKEM768
    P256,
    /// SM2: links speak SM4 with curveSM2, with ML-KEM-768 beside it
    Sm2,
}

#[derive(Args, Debug)]
struct InitArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// The curve of all its certificates
    #[arg(long, value_enum, default_value_t = CurveName::P256)]
    curve: CurveName,
    /// Its name
    #[arg(long, default_value = "Heng role authority")]
    name: String,
    /// Days that it is good
    #[arg(long, default_value_t = 3_650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

#[derive(Args, Debug)]
struct IssueArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// The role, or `all`
    #[arg(long)]
    role: String,
    /// Days that a certificate is good
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
}

#[derive(Args, Debug)]
struct RotateArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Issue again what ends within so many days
    #[arg(long, default_value_t = 30)]
    within_days: u32,
    /// Days that the new ones are good
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
}

pub(super) fn run(args: &CaArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        CaCommand::Init(args) => init(args),
        CaCommand::Issue(args) => issue(args),
        CaCommand::Rotate(args) => rotate(args),
        CaCommand::Show(args) => list(args),
    }
}

fn key_file(folder: &Path) -> PathBuf {
    folder.join("authority.key")
}

fn init(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let folder = &args.folder.dir;
    let (certificate, key) = (folder.join(AUTHORITY), key_file(folder));
    if certificate.exists() || key.exists() {
        bail!("{} has an authority; use another folder, or remove it if nobody trusts it", folder.display());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let curve = match args.curve {
        CurveName::P256 => Curve::P256,
        CurveName::Sm2 => Curve::Sm2,
    };
    let made = Authority::new(curve, &args.name, papers::a_moment_ago(), DAY * args.days)?.save()?;
    papers::write(&key, &made.key)?;
    papers::write(&certificate, &made.certificate)?;
    tell(&args.folder, &["authority"])
}

fn load(folder: &Path) -> anyhow::Result<Authority> {
    let read = |path: PathBuf| {
        let advice =
            || format!("read {}; make an authority with: heng ops ca init --dir {}", path.display(), folder.display());
        std::fs::read_to_string(&path).with_context(advice)
    };
    let issued = Issued { certificate: read(folder.join(AUTHORITY))?, key: read(key_file(folder))? };
    Authority::load(&issued).with_context(|| format!("the authority in {}", folder.display()))
}

fn issue(args: &IssueArgs) -> anyhow::Result<ExitCode> {
    let named: Vec<&RoleRow> = ROLES.iter().filter(|row| args.role == "all" || row.name == args.role).collect();
    if named.is_empty() {
        let known: Vec<_> = ROLES.iter().map(|row| row.name).collect();
        bail!("there is no role {:?}; known are: {}, all", args.role, known.join(", "));
    }
    let authority = load(&args.folder.dir)?;
    for row in &named {
        papers::issue(&authority, row, &RoleFiles::of(&args.folder.dir, row.role), DAY * args.days)?;
    }
    tell(&args.folder, &named.iter().map(|row| row.name).collect::<Vec<_>>())
}

fn rotate(args: &RotateArgs) -> anyhow::Result<ExitCode> {
    let authority = load(&args.folder.dir)?;
    let soon = SystemTime::now() + DAY * args.within_days;
    let mut renewed = Vec::new();
    for row in &ROLES {
        let files = RoleFiles::of(&args.folder.dir, row.role);
        if files.certificate.exists() && shown(&files.certificate)?.until < soon {
            papers::issue(&authority, row, &files, DAY * args.days)?;
            renewed.push(row.name);
        }
    }
    tell(&args.folder, &renewed)
}

fn shown(path: &Path) -> anyhow::Result<Shown> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    show(&text).with_context(|| format!("the certificate {}", path.display()))
}

fn list(args: &FolderArgs) -> anyhow::Result<ExitCode> {
    let names: Vec<&str> = std::iter::once("authority").chain(ROLES.iter().map(|row| row.name)).collect();
    let there: Vec<&str> = names.into_iter().filter(|name| args.dir.join(format!("{name}.pem")).exists()).collect();
    if there.is_empty() {
        bail!("{} has no certificates; begin with: heng ops ca init --dir {0}", args.dir.display());
    }
    tell(args, &there)
}

/// Tells certificates by name.
fn tell(args: &FolderArgs, names: &[&str]) -> anyhow::Result<ExitCode> {
    let mut rows = Vec::new();
    for name in names {
        let path = args.dir.join(format!("{name}.pem"));
        let of = shown(&path)?;
        let left = of.until.duration_since(SystemTime::now()).unwrap_or_default().as_secs() / 86_400;
        let curve = of.curve.map_or("unknown", |curve| match curve {
            Curve::Sm2 => "sm2",
            Curve::P256 => "p256",
        });
        rows.push(json!({
            "name": name, "certificate": path, "curve": curve, "spiffe_id": of.spiffe_ids.first(),
            "serial": of.serial, "days_left": left,
        }));
    }
    let answer = if args.json {
        format!("{}\n", json!({ "certificates": rows }))
    } else if rows.is_empty() {
        "nothing ends soon\n".to_owned()
    } else {
        let line = |row: &serde_json::Value| {
            let text = |field: &str| row[field].as_str().unwrap_or("-").to_owned();
            format!("{:<12} {:<5} {:>5} days  {}\n", text("name"), text("curve"), row["days_left"], text("spiffe_id"))
        };
        rows.iter().map(line).collect()
    };
    say(&answer)?;
    Ok(ExitCode::SUCCESS)
}
