//! A store on a port of its own, filled by Amazon's library for Python.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

/// What lies in the store.
pub(crate) fn content() -> Vec<u8> {
    (0..5_000_000_u32).map(|i| (i % 251) as u8).collect()
}

/// A bucket `depot` with `apps/pack age.zip`, which is a user's only, and `open.zip`, which is everybody's; then it answers
/// as a guarded store does. It prints what the tests need.
const FILL: &str = r"
import boto3, json, sys, urllib.request
endpoint, guarded = sys.argv[1], sys.argv[2] == 'guarded'
content = bytes(i % 251 for i in range(5000000))
use = dict(endpoint_url=endpoint, region_name='us-east-1', aws_access_key_id='AKIAX', aws_secret_access_key='x')
iam = boto3.client('iam', **use)
iam.create_user(UserName='roof')
policy = json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 's3:*', 'Resource': '*'}]})
iam.put_user_policy(UserName='roof', PolicyName='all', PolicyDocument=policy)
key = iam.create_access_key(UserName='roof')['AccessKey']
use.update(aws_access_key_id=key['AccessKeyId'], aws_secret_access_key=key['SecretAccessKey'])
s3 = boto3.client('s3', **use)
s3.create_bucket(Bucket='depot')
s3.put_object(Bucket='depot', Key='apps/pack age.zip', Body=content)
s3.put_object(Bucket='depot', Key='open.zip', Body=content, ACL='public-read')
presigned = s3.generate_presigned_url('get_object', Params={'Bucket': 'depot', 'Key': 'apps/pack age.zip'})
if guarded:
    reset = urllib.request.Request(endpoint + '/moto-api/reset-auth', b'0', {'Content-Type': 'text/plain'})
    urllib.request.urlopen(reset).read()
print(json.dumps({'access': key['AccessKeyId'], 'secret': key['SecretAccessKey'], 'presigned': presigned}))
";

/// A store that runs.
pub(crate) struct Moto {
    process: Child,
    pub(crate) endpoint: String,
    pub(crate) access: String,
    pub(crate) secret: String,
    pub(crate) presigned: String,
}

/// The folder of moto's programs: where `./test` puts it.
fn programs() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("aerolith/moto/bin")).filter(|folder| folder.join("moto_server").exists())
}

impl Moto {
    /// A store that asks nobody who he is beyond what its objects say.
    pub(crate) fn open() -> Option<Arc<Self>> {
        static RUNNING: Mutex<Weak<Moto>> = Mutex::new(Weak::new());
        Self::shared(&RUNNING, "open")
    }

    /// A store that checks every signature.
    pub(crate) fn guarded() -> Option<Arc<Self>> {
        static RUNNING: Mutex<Weak<Moto>> = Mutex::new(Weak::new());
        Self::shared(&RUNNING, "guarded")
    }

    /// The one that runs for another test just now, else a new one.
    fn shared(running: &Mutex<Weak<Self>>, kind: &str) -> Option<Arc<Self>> {
        let mut running = running.lock().unwrap();
        if let Some(moto) = running.upgrade() {
            return Some(moto);
        }
        let moto = Arc::new(Self::start(kind)?);
        *running = Arc::downgrade(&moto);
        Some(moto)
    }

    fn start(kind: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("SKIPPED: no moto here; ./test installs it");
            return None;
        };
        let mut server = Command::new(programs.join("moto_server"));
        server
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut process = server.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let endpoint =
            lines.find_map(|line| Some(format!("http://{}", line.split_once("Running on http://")?.1.trim())));
        // It logs each request, and would wait for somebody to read that.
        std::thread::spawn(move || lines.for_each(drop));
        let mut moto = Self {
            process,
            endpoint: endpoint.unwrap(),
            access: String::new(),
            secret: String::new(),
            presigned: String::new(),
        };
        let mut fill = Command::new(programs.join("python"));
        let filled = fill.args(["-c", FILL, &moto.endpoint, kind]).output().unwrap();
        assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));
        let told: serde_json::Value = serde_json::from_slice(&filled.stdout).unwrap();
        let text = |key: &str| told[key].as_str().unwrap().to_owned();
        (moto.access, moto.secret, moto.presigned) = (text("access"), text("secret"), text("presigned"));
        Some(moto)
    }

    /// The URL of an object, as a package names it.
    pub(crate) fn url(&self, key: &str, more: &str) -> String {
        format!("s3://depot/{key}?endpoint={}{more}", self.endpoint)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
