// The flags and commands of hadal pull and hadal push.
#include "config/flag_fields.h"
#include "config/flag_table.h"

namespace hadal {
namespace {

template <auto Field>
using Hub = FlagField<&Settings::hub, Field>;
template <auto Field>
using HubBytes = ByteFlagField<&Settings::hub, Field>;

using HC = HubConfig;
constexpr unsigned kForHub = kForPull | kForPush;

const FlagSpec kFlags[] = {
    // clang-format off
    {"--to", kForPull, "Pull", "DIR", "Directory to fill; default: the last part of the reference, here", kOnce, HADAL_FIELD(Hub, &HC::directory)},
    {"--replace", kForPull, "Pull", "", "Where the directory holds another model: put this one in its place, and remove the files of the other once all is there", kOnce, HADAL_FIELD(Hub, &HC::replace)},
    {"--verify", kForPull, "Pull", "", "Fetch nothing: check every byte of the directory that is the argument against its marker file", kOnce, HADAL_FIELD(Hub, &HC::verify)},
    {"--include", kForPull, "Pull", "GLOB", "Only files whose path matches (* ? [a-z], ** for folders too); repeat for more. A pattern without a slash is matched with the file's name", kMany, HADAL_FIELD(Hub, &HC::include)},
    {"--exclude", kForHub, "Pull", "GLOB", "No files whose path matches; repeat for more", kMany, HADAL_FIELD(Hub, &HC::exclude)},
    {"--allow-pickle", kForPull, "Pull", "", "Also fetch pickles (*.bin, *.pt, *.pth, *.pkl, *.ckpt and so on), which run code when Python loads them; hadal never loads them", kOnce, HADAL_FIELD(Hub, &HC::allow_pickle)},
    {"--all-files", kForPull, "Pull", "", "Also fetch what hadal does not need: other formats of the same weights (original/, onnx/, *.gguf beside safetensors), pictures", kOnce, HADAL_FIELD(Hub, &HC::all_files)},
    {"--sha256", kForPull, "Pull", "HEX", "SHA-256 of the file at an http address; NAME=HEX where several are fetched", kMany, HADAL_FIELD(Hub, &HC::checksums)},
    {"--seed-from", kForPull, "Peers", "URL", "http://NODE:PORT of a hadal pull --serve to fetch from before the origin is asked; repeat, or separate with commas; a name that stands for several hosts means each of them", kMany, HADAL_FIELD(Hub, &HC::seeds)},
    {"--serve", kForPull, "Peers", "", "Serve the directory to other nodes, while it is pulled and afterwards, until told to stop", kOnce, HADAL_FIELD(Hub, &HC::serve)},
    {"--serve-host,--host", kForPull, "Peers", "ADDRESS", "Address that --serve listens on", kOnce, HADAL_FIELD(Hub, &HC::serve_host)},
    {"--serve-port,--port", kForPull, "Peers", "PORT", "Port that --serve listens on; 0: any free one, printed", kOnce, HADAL_FIELD(Hub, &HC::serve_port)},
    {"--peer-token-file", kForPull, "Peers", "FILE", "File with the secret that peers share: asked for by --serve, sent to --seed-from", kOnce, HADAL_FIELD(Hub, &HC::peer_token_file)},

    {"--connections", kForHub, "Transfer", "N", "Connections at once", kOnce, HADAL_FIELD(Hub, &HC::connections)},
    {"--part-size", kForHub, "Transfer", "BYTES", "Largest range asked for at once (pull) or part sent (push), as 32Mi", kOnce, HADAL_FIELD(HubBytes, &HC::part_bytes)},
    {"--max-rate", kForHub, "Transfer", "BYTES", "Bytes a second, as 100M; 0: no limit", kOnce, HADAL_FIELD(HubBytes, &HC::max_rate)},
    {"--retries", kForHub, "Transfer", "N", "Failures in a row, without progress between them, before giving up", kOnce, HADAL_FIELD(Hub, &HC::retries)},
    {"--connect-timeout", kForHub, "Transfer", "DURATION", "How long a connection may take to open", kOnce, HADAL_FIELD(Hub, &HC::connect_timeout)},
    {"--read-timeout", kForHub, "Transfer", "DURATION", "How long a server may be silent (under 1 KiB a second)", kOnce, HADAL_FIELD(Hub, &HC::read_timeout)},
    {"--proxy", kForHub, "Transfer", "URL", "Proxy, or none; default: https_proxy, http_proxy and no_proxy", kOnce, HADAL_FIELD(Hub, &HC::proxy)},
    {"--ca-file", kForHub, "Transfer", "FILE", "Certificates (PEM) to trust in place of the system's; default: CURL_CA_BUNDLE, SSL_CERT_FILE or REQUESTS_CA_BUNDLE", kOnce, HADAL_FIELD(Hub, &HC::ca_file)},
    {"--hub-insecure,--insecure", kForHub, "Transfer", "", "Do not verify servers' certificates: anyone on the way can read the token", kOnce, HADAL_FIELD(Hub, &HC::insecure)},
    {"--token-file", kForPull, "Transfer", "FILE", "File with the token of the hub; default: HF_TOKEN or HUGGING_FACE_HUB_TOKEN, MODELSCOPE_API_TOKEN", kOnce, HADAL_FIELD(Hub, &HC::token_file)},
    {"--endpoint", kForHub, "Transfer", "URL", "Address of the hub or the object store; default: HF_ENDPOINT, MODELSCOPE_ENDPOINT, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, or the public one", kOnce, HADAL_FIELD(Hub, &HC::endpoint)},
    {"--region", kForHub, "Object stores", "NAME", "Region of the bucket; default: AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1", kOnce, HADAL_FIELD(Hub, &HC::region)},
    {"--profile", kForHub, "Object stores", "NAME", "Profile of ~/.aws/credentials; default: AWS_PROFILE, or default", kOnce, HADAL_FIELD(Hub, &HC::profile)},
    {"--path-style", kForHub, "Object stores", "", "Ask for ENDPOINT/BUCKET/KEY and not BUCKET.ENDPOINT/KEY; always so with an --endpoint of one's own", kOnce, HADAL_FIELD(Hub, &HC::path_style)},
    // clang-format on
};

Status take_references(const std::vector<std::string>& arguments, const FlagValueMap&, Settings& settings) {
  settings.hub.arguments = arguments;
  if (settings.hub.serve && arguments.empty() && !settings.hub.directory.empty()) return {};
  if (arguments.empty()) {
    return invalid_argument(
        "pull needs a model: hadal pull REF, as deepseek-r1, hf:org/name, ms:org/name, s3://bucket/prefix, "
        "https://host/file or a directory");
  }
  return {};
}

Status take_push(const std::vector<std::string>& arguments, const FlagValueMap&, Settings& settings) {
  settings.hub.arguments = arguments;
  if (arguments.size() != 2 || !arguments[1].starts_with("s3://")) {
    return invalid_argument("push needs a directory and where to: hadal push DIR s3://bucket/prefix");
  }
  return {};
}

Status validate_hub(const Settings& settings) {
  const HubConfig& hub = settings.hub;
  if (hub.connections < 1 || hub.connections > 64) {
    return invalid_argument("--connections is ", hub.connections, ": it takes 1 to 64");
  }
  if (hub.part_bytes < (int64_t{64} << 10) || hub.part_bytes > (int64_t{1} << 30)) {
    return invalid_argument("--part-size is ", hub.part_bytes, " bytes: it takes 64Ki to 1Gi");
  }
  if (hub.max_rate < 0 || (hub.max_rate > 0 && hub.max_rate < 1000)) {
    return invalid_argument("--max-rate is ", hub.max_rate,
                            " bytes a second: it takes 1000 or more, or 0 for no limit");
  }
  if (hub.retries < 0 || hub.retries > 1000) {
    return invalid_argument("--retries is ", hub.retries, ": it takes 0 to 1000");
  }
  if (hub.connect_timeout.count() <= 0) return invalid_argument("--connect-timeout must be over 0 seconds");
  if (hub.read_timeout.count() < 1000) return invalid_argument("--read-timeout must be 1 second or more");
  if (hub.serve_port < 0 || hub.serve_port > 65535) {
    return invalid_argument("--serve-port is ", hub.serve_port, ": it takes 0 to 65535");
  }
  if (hub.verify && (hub.serve || hub.arguments.size() != 1)) {
    return invalid_argument("--verify checks one directory and does nothing else: hadal pull --verify DIR");
  }
  return {};
}

constexpr size_t kMaxReferences = 1000;

constexpr CommandSpec kCommands[] = {
    {"pull", Command::kPull, kForPull, "REF...",
     "deepseek-r1 or another short name, org/name or hf:org/name[@revision], ms:org/name[@revision], "
     "s3://bucket/prefix, http(s)://host/file (also several), or a directory",
     "Fetch a model, resumable and verified", kMaxReferences, &take_references, &validate_hub},
    {"push", Command::kPush, kForPush, "DIR s3://BUCKET/PREFIX", "What to upload, and where to",
     "Upload a model's directory to an object store", 2, &take_push, &validate_hub},
};

}  // namespace

std::span<const FlagSpec> hub_flags() {
  return kFlags;
}
std::span<const CommandSpec> hub_commands() {
  return kCommands;
}

}  // namespace hadal
