//! `heng keys`: the data keys of a data folder, and the master key that wraps them.
//!
//! *Invariant:* no secret comes by the command line; where one is needed, its file or environment variable is named.

mod drill;
mod output;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use heng_security::envelope::KeyId;
use heng_security::keys::{
    Approval, Credential, KeyRing, KeyState, KeysError, KeysUrl, OperationLog, Scope, SecretSource, Selection,
};
use heng_security::provider::Algorithm;
use serde_json::json;

use output::Answer;

/// Makes, shows, rotates and destroys the keys of what is stored.
///
/// Each data key (AES-256-GCM or SM4-GCM) serves one table or log, one tenant and one period, and lies in DIR/keys/keys.ring,
/// wrapped by a master key that stays in its key file, PKCS#11 token or GM/T 0018 device. init, officers, rotate-master,
/// set-algorithm and destroy need two different officers: `--officer NAME=SOURCE` twice. SOURCE, where a password or
/// passphrase comes from, is file:PATH or env:NAME; no secret stands on the command line.
/// 数据密钥按“表或日志、租户、时段”划分，由主密钥加密保存；初始化、轮换主密钥、更换算法、销毁密钥须两名不同的密钥管理员授权。
/// 口令只从文件或环境变量读取。
#[derive(Args, Debug)]
pub struct KeysArgs {
    #[command(subcommand)]
    what: KeysCommand,
}

#[derive(Subcommand, Debug)]
enum KeysCommand {
    /// Make a master key and a ring with its two officers 初始化主密钥、密钥环和两名管理员
    Init(InitArgs),
    /// List the officers, add or remove one 查看、增加或移除密钥管理员
    Officers(OfficersArgs),
    /// Show the ring and its keys 查看密钥环状态
    Status(RingArgs),
    /// Wrap all data keys by a new version of the master key, or by another master key 轮换主密钥
    RotateMaster(RotateMasterArgs),
    /// Let new records of a selection get new keys 轮换数据密钥
    RotateData(RotateDataArgs),
    /// Choose the algorithm of new data keys 更换新数据密钥的算法
    SetAlgorithm(SetAlgorithmArgs),
    /// Destroy data keys for good: what they sealed can never be read again 永久销毁数据密钥（其数据不可恢复）
    Destroy(DestroyArgs),
    /// Show and verify who did what and when 查看并校验操作记录
    Log(LogArgs),
    /// Change algorithm and keys under load in a temporary ring, and read records of every phase again 密码算法切换演练
    Drill(drill::DrillArgs),
}

/// Which ring, and the master key that opens it.
#[derive(Args, Debug)]
struct RingArgs {
    /// The data folder 数据目录
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The master key, as in `keys.url`: file:PATH?passphrase=SOURCE, pkcs11:token=…?module-path=…&pin-source=SOURCE or
    /// sdf:SOCKET [default: file:keys/master.key, passphrase in HENG_KEYS_PASSPHRASE] 主密钥位置
    #[arg(long, value_name = "URL")]
    token: Option<String>,
    /// Print exactly one JSON object 以 JSON 输出
    #[arg(long)]
    json: bool,
}

/// The two who approve.
#[derive(Args, Debug)]
struct Officers {
    /// An officer who approves, twice: NAME=file:PATH or NAME=env:VARIABLE 授权的管理员（须两名）
    #[arg(long = "officer", value_name = "NAME=SOURCE", required = true)]
    officers: Vec<String>,
}

/// An officer's name and where the password comes from. Read by us and not while the arguments are parsed: a message
/// about an argument repeats it, and somebody may have put the password there.
struct Named {
    name: String,
    source: SecretSource,
}

impl FromStr for Named {
    type Err = KeysError;

    fn from_str(text: &str) -> Result<Self, KeysError> {
        // The text may hold a password, given by mistake; it is not repeated.
        let wrong = || KeysError::Approval("an officer is given as NAME=file:PATH or NAME=env:VARIABLE");
        let (name, source) = text.split_once('=').ok_or_else(wrong)?;
        Ok(Self { name: name.to_owned(), source: source.parse().map_err(|_| wrong())? })
    }
}

impl Named {
    fn credential(text: &str) -> anyhow::Result<Credential> {
        let named: Self = text.parse()?;
        Ok(Credential::new(&named.name, &named.source.read()?)?)
    }
}

fn approval(officers: &[String]) -> anyhow::Result<Approval> {
    let [first, second] = officers else {
        bail!("two officers are needed: give --officer NAME=SOURCE twice (须两名管理员授权)");
    };
    Ok(Approval([Named::credential(first)?, Named::credential(second)?]))
}

#[derive(Args, Debug)]
struct InitArgs {
    #[command(flatten)]
    ring: RingArgs,
    #[command(flatten)]
    officers: Officers,
    /// Algorithm of data keys and of a key file: AES-256-GCM or SM4-GCM 算法
    #[arg(long, value_name = "NAME", default_value = "SM4-GCM", value_parser = algorithm)]
    algorithm: Algorithm,
    /// Take a master key that is there already 使用已有的主密钥
    #[arg(long)]
    existing: bool,
}

#[derive(Args, Debug)]
struct OfficersArgs {
    #[command(flatten)]
    ring: RingArgs,
    /// Two officers who approve the change: NAME=SOURCE, twice 授权的管理员（须两名）
    #[arg(long = "officer", value_name = "NAME=SOURCE")]
    officers: Vec<String>,
    /// Register this officer, or give one another password 增加管理员或更换其口令
    #[arg(long, value_name = "NAME=SOURCE", conflicts_with = "remove")]
    add: Option<String>,
    /// Remove this officer; two must be left 移除管理员（至少保留两名）
    #[arg(long, value_name = "NAME")]
    remove: Option<String>,
}

#[derive(Args, Debug)]
struct RotateMasterArgs {
    #[command(flatten)]
    ring: RingArgs,
    #[command(flatten)]
    officers: Officers,
    /// Destroy the older versions afterwards: older copies of the ring can then never be opened 随后销毁旧版本
    #[arg(long)]
    retire: bool,
    /// Go over to another master key, made by this if absent 改用另一主密钥
    #[arg(long, value_name = "URL", conflicts_with = "retire")]
    to: Option<String>,
}

#[derive(Args, Debug)]
struct RotateDataArgs {
    #[command(flatten)]
    ring: RingArgs,
    /// This table or log alone 仅此表或日志
    #[arg(long)]
    store: Option<String>,
    /// This tenant alone 仅此租户
    #[arg(long)]
    tenant: Option<String>,
    /// This period alone 仅此时段
    #[arg(long)]
    period: Option<String>,
}

#[derive(Args, Debug)]
struct SetAlgorithmArgs {
    #[command(flatten)]
    ring: RingArgs,
    #[command(flatten)]
    officers: Officers,
    /// AES-256-GCM or SM4-GCM 算法
    #[arg(value_parser = algorithm)]
    algorithm: Algorithm,
}

#[derive(Args, Debug)]
struct DestroyArgs {
    #[command(flatten)]
    ring: RingArgs,
    #[command(flatten)]
    officers: Officers,
    /// The number of a key; may be given several times 密钥编号
    #[arg(long = "key", value_name = "ID", required_unless_present = "scope")]
    keys: Vec<u64>,
    /// All keys of STORE:TENANT:PERIOD 某一范围的全部密钥
    #[arg(long, value_name = "SCOPE", conflicts_with = "keys")]
    scope: Option<Scope>,
}

#[derive(Args, Debug)]
struct LogArgs {
    /// The data folder 数据目录
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Also compare with the ring, which this master key opens 同时与密钥环核对
    #[arg(long, value_name = "URL")]
    token: Option<String>,
    /// Print exactly one JSON object 以 JSON 输出
    #[arg(long)]
    json: bool,
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let known = heng_security::keys::ALGORITHMS.into_iter().find(|known| known.name() == name);
    known.ok_or_else(|| "it must be AES-256-GCM or SM4-GCM".to_owned())
}

/// Where the ring of a data folder is.
fn folder(data: &Path) -> PathBuf {
    data.join("keys")
}

impl RingArgs {
    fn url(&self) -> Result<KeysUrl, KeysError> {
        self.token.as_deref().map_or_else(|| Ok(KeysUrl::default_file()), str::parse)
    }

    fn open(&self) -> anyhow::Result<KeyRing> {
        let folder = folder(&self.data);
        if !KeyRing::is_in(&folder) {
            bail!("{} holds no key ring; `heng keys init` makes one (尚未初始化密钥环)", folder.display());
        }
        let master = self.url()?.open(&self.data).context("open the master key")?;
        KeyRing::open(&folder, master).context("open the key ring")
    }
}

/// Runs `heng keys`.
///
/// # Errors
/// If the operation is refused or fails; nothing was changed then.
pub fn run(args: &KeysArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        KeysCommand::Init(args) => init(args)?,
        KeysCommand::Officers(args) => officers(args)?,
        KeysCommand::Status(args) => output::status(&args.open()?, args.json)?,
        KeysCommand::RotateMaster(args) => rotate_master(args)?,
        KeysCommand::RotateData(args) => rotate_data(args)?,
        KeysCommand::SetAlgorithm(args) => set_algorithm(args)?,
        KeysCommand::Destroy(args) => destroy(args)?,
        KeysCommand::Log(args) => log(args)?,
        KeysCommand::Drill(args) => return drill::run(args),
    }
    Ok(ExitCode::SUCCESS)
}

fn init(args: &InitArgs) -> anyhow::Result<()> {
    let (data, approval) = (&args.ring.data, approval(&args.officers.officers)?);
    let folder = folder(data);
    if KeyRing::is_in(&folder) {
        bail!("{} holds a key ring already", folder.display());
    }
    if approval.0[0].name() == approval.0[1].name() {
        bail!("two different officers are needed (须两名不同的管理员)");
    }
    let url = args.ring.url()?;
    let master = if args.existing { url.open(data) } else { url.create(data, args.algorithm) };
    let hint = "make the master key (--existing takes one that is there already)";
    let ring = KeyRing::create(&folder, master.context(hint)?, args.algorithm, &approval)?;
    let status = ring.status();
    let text = format!("a key ring was made in {}\nmaster key {}\n", folder.display(), status.master);
    let json = json!({ "ring": status.ring, "master": status.master, "algorithm": status.algorithm.name(), "officers": status.officers });
    Answer { text, json }.print(args.ring.json)
}

fn officers(args: &OfficersArgs) -> anyhow::Result<()> {
    let ring = args.ring.open()?;
    match (&args.add, &args.remove) {
        (Some(new), _) => ring.add_officer(&approval(&args.officers)?, &Named::credential(new)?)?,
        (None, Some(name)) => ring.remove_officer(&approval(&args.officers)?, name)?,
        (None, None) => {}
    }
    output::officers(&ring, args.ring.json)
}

fn rotate_master(args: &RotateMasterArgs) -> anyhow::Result<()> {
    let (ring, approval) = (args.ring.open()?, approval(&args.officers.officers)?);
    if let Some(to) = &args.to {
        let to: KeysUrl = to.parse()?;
        let master = to.open(&args.ring.data).or_else(|_| to.create(&args.ring.data, ring.algorithm()));
        ring.replace_master(&approval, &master.context("open or make the other master key")?)?;
    } else {
        ring.rotate_master(&approval, args.retire)?;
    }
    let status = ring.status();
    let keys = status.current + status.closed;
    let text = format!("{keys} data keys are wrapped by {}, version {}\n", status.master, status.master_version);
    let json =
        json!({ "master": status.master, "version": status.master_version, "keys": keys, "retired": args.retire });
    Answer { text, json }.print(args.ring.json)
}

fn rotate_data(args: &RotateDataArgs) -> anyhow::Result<()> {
    let ring = args.ring.open()?;
    let RotateDataArgs { store, tenant, period, .. } = args;
    let selection = Selection { store: store.clone(), tenant: tenant.clone(), period: period.clone() };
    let closed = ring.rotate_data(&selection)?;
    let text = format!("{closed} data keys seal nothing new any more\n");
    Answer { text, json: json!({ "closed": closed }) }.print(args.ring.json)
}

fn set_algorithm(args: &SetAlgorithmArgs) -> anyhow::Result<()> {
    let (ring, approval) = (args.ring.open()?, approval(&args.officers.officers)?);
    ring.set_algorithm(&approval, args.algorithm)?;
    let name = args.algorithm.name();
    Answer { text: format!("new data keys are {name}\n"), json: json!({ "algorithm": name }) }.print(args.ring.json)
}

fn destroy(args: &DestroyArgs) -> anyhow::Result<()> {
    let (ring, approval) = (args.ring.open()?, approval(&args.officers.officers)?);
    let ids = match &args.scope {
        None => args
            .keys
            .iter()
            .map(|id| KeyId::new(*id).context("no key has the number 0"))
            .collect::<Result<Vec<_>, _>>()?,
        Some(scope) => {
            let all = ring.keys().into_iter();
            let living = all.filter(|key| key.scope == *scope && !matches!(key.state, KeyState::Destroyed(_)));
            living.map(|key| key.id).collect()
        }
    };
    if ids.is_empty() {
        bail!("there are no such keys");
    }
    let operation = ring.destroy(&approval, &ids)?;
    let text = format!(
        "{} data keys are destroyed (operation {operation}); copies of older rings still hold them until \
         `heng keys rotate-master --retire`\n",
        ids.len()
    );
    let ids: Vec<u64> = ids.iter().map(|id| id.get()).collect();
    Answer { text, json: json!({ "destroyed": ids, "operation": operation }) }.print(args.ring.json)
}

fn log(args: &LogArgs) -> anyhow::Result<()> {
    let folder = folder(&args.data);
    let (log, compared) = match &args.token {
        None => (OperationLog::read(&folder)?, false),
        Some(url) => (KeyRing::open(&folder, url.parse::<KeysUrl>()?.open(&args.data)?)?.operations()?, true),
    };
    output::log(&log, compared, args.json)
}
