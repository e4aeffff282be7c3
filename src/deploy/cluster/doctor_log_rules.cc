// What engines, NCCL, Gloo, UCX, PyTorch and hadal itself write when something is wrong.
#include "deploy/cluster/doctor.h"

namespace hadal::cluster {

namespace {

using enum DoctorLevel;
constexpr DoctorLogRule kLogRules[] = {
    {"log/rank-lost", 1, kError, 60, false, "A rank of the group was lost, and the others stopped with it.",
     "Find the rank that ended first (the one whose log names another cause, or `hadal deploy logs NAME "
     "--previous`); the others' words are echoes.",
     "the group is lost|closed the connection&node|the connection broke&node|rank&was lost|peer&closed the "
     "connection|socket&connection reset by peer&rank"},
    {"log/health-check-slow", 2, kError, 45, false,
     "The engine's health check generates a token, and a busy engine does not answer it in time.",
     "Probe an endpoint that does not go through the scheduler: hadal's /livez, /readyz and /startupz; "
     "with other engines raise timeoutSeconds and failureThreshold.",
     "health check failed&detokenizer|health_generate&timeout|health check timed out"},
    {"log/collective-timeout", 3, kError, 70, false,
     "A collective operation did not end: one rank stopped taking part, and the watchdog ended the others "
     "after its timeout (600 s by default).",
     "Look for the rank whose last log line is the oldest: it hung or died first. Check its GPU (Xid in "
     "the node's kernel log) and its network. Lower the timeout so that the group restarts in seconds.",
     "watchdog caught collective operation timeout|nccl watchdog&timeout|processgroupnccl&timed "
     "out|collective operation timeout|nccl&operation timed out"},
    {"log/nccl-system-error", 3, kError, 50, false,
     "NCCL failed with a system error: most often memory or the network of one node.",
     "Set NCCL_DEBUG=INFO and look at the first NCCL WARN line; lower the engine's memory fraction where "
     "it is memory.",
     "ncclsystemerror|nccl error&unhandled system error|ncclunhandledcudaerror|nccl warn&failed"},
    {"log/leader-not-found", 6, kError, 75, false,
     "A rank could not resolve or reach the leader's address: its DNS name did not exist yet, or the "
     "address was empty.",
     "Give the headless Service publishNotReadyAddresses: true, and let ranks wait for the name with a "
     "bound (hadal does). Check that LWS_LEADER_ADDRESS is set: with LWS before 0.6 LWS_WORKER_INDEX is "
     "missing too.",
     "name or service not known|temporary failure in name resolution|no such "
     "host|getaddrinfo&failed|cannot resolve|nodename nor servname|gai error|gaierror|no address associated "
     "with hostname|addr='tcp://:"},
    {"log/leader-unreachable", 6, kError, 55, false,
     "A rank knows the leader's address and gets no answer from it: the leader is not up yet, or a "
     "NetworkPolicy or firewall is between them.",
     "See whether the leader runs (`hadal deploy status`); open the rendezvous port between the pods of "
     "the group.",
     "did not join within|cannot reach&:&:|the client socket has timed out|the client socket has failed to "
     "connect|connectfullmesh failed|gloo&connect timeout|waits for the leader&deadline"},
    {"log/port-taken", 10, kError, 80, false,
     "A port that the engine listens on is taken: with host networking every pod of a node shares the "
     "ports.",
     "Give each group of a node its own ports, or leave host networking (rdma shared device plugin); list "
     "what listens with `ss -ltnp` on the node.",
     "address already in use|errno 98|cannot listen on port|eaddrinuse"},
    {"log/no-network-interface", 11, kError, 75, false,
     "The communication library found no network interface or HCA of the name it was given, or took the "
     "wrong one.",
     "Set NCCL_SOCKET_IFNAME and GLOO_SOCKET_IFNAME to the pod's interface (=eth0, exact), NCCL_IB_HCA to "
     "exact names (=mlx5_0,...): a name without = matches every name that begins so. `hadal preflight` "
     "prints what each node has.",
     "no socket interface found|bootstrap : no socket|net/ib : no device found|unable to find address "
     "for|unable to find interface|no such device&bind|gloo&no such device"},
    {"log/rdma-transport", 11, kError, 60, false,
     "RDMA packets do not arrive: the GID index or the HCA is not the right one, or the fabric is not "
     "lossless.",
     "Compare NCCL_IB_GID_INDEX with the GID table that `hadal preflight` prints (0 for InfiniBand, the "
     "RoCE v2 entry for RoCE); check that every node uses HCAs of one fabric.",
     "got completion&with error 12|ibv_poll_cq&error|transport retry counter exceeded|transport retry "
     "count exceeded|ibv_modify_qp failed|local protection error"},
    {"log/locked-memory", 12, kError, 80, false,
     "Memory cannot be locked for RDMA: the limit of locked memory is too small in the container.",
     "Add the capability IPC_LOCK to the container, and set the container runtime's LimitMEMLOCK to "
     "infinity on the node (no `privileged` is needed).",
     "ibv_reg_mr&cannot allocate memory|ibv_reg_mr&failed|rlimit_memlock|memlock&too small|memlock "
     "limit|cannot lock memory"},
    {"log/tcp-fallback", 13, kWarning, 60, true,
     "Data between ranks goes over TCP sockets instead of RDMA: everything works, many times slower.",
     "Request the RDMA resource in the pod, add IPC_LOCK, check UCX_TLS and NCCL_IB_DISABLE; `hadal "
     "preflight` measures each pair of ranks.",
     "falling back to tcp|fall back to tcp|fallback to tcp|net/ib : no device found|net/socket : "
     "using|using network socket|ucx&using tcp|transport=tcp"},
    {"log/shared-memory-full", 14, kError, 80, false,
     "/dev/shm is full: it has 64 MB by default, and names left by a crash stay in it across restarts of "
     "the container.",
     "Mount an emptyDir of medium Memory with a sizeLimit at /dev/shm, counted in the memory limit; delete "
     "the pod (not only the container) once, so that what was left goes.",
     "no space left on device&shm|no space left on device&psm_|insufficient shared memory|shm_open|bus "
     "error|/dev/shm&no space|unable to open shared memory|no space left on device: '/psm|unable to write to "
     "file </torch_"},
    {"log/disk-full", 0, kError, 60, false, "A disk is full.",
     "Look which volume: the model's claim (grow it to 1.15 times the model), or the node's ephemeral "
     "storage (images, logs, emptyDir).",
     "no space left on device|disk quota exceeded|not enough free space"},
    {"log/stream-cut", 15, kWarning, 40, true,
     "Answers are cut while they are streamed: a proxy on the way has a timeout shorter than an answer.",
     "Set the timeouts of every hop: nginx proxy-read-timeout and proxy-send-timeout, HTTPRoute "
     "timeouts.request 0s, OpenShift haproxy.router.openshift.io/timeout, and those of the cloud's load "
     "balancer.",
     "upstream request timeout|upstream timed out|stream timeout|504 gateway time-out|504 gateway timeout"},
    {"log/hub-rate-limit", 18, kError, 80, false,
     "The model hub refuses downloads for now (429): many pods behind one address download the same model.",
     "Download once into a shared claim (a Job with `hadal pull`), or let nodes seed one another (`hadal "
     "pull --seed-from`); give a token: its limit is higher.",
     "429&too many requests|http 429|429 client error|status 429|rate limit&hugging"},
    {"log/hub-refused", 18, kError, 75, false,
     "The model hub refuses access: no token, or one without rights to this model.",
     "Put a token with rights to the model into the Secret that the download reads, and accept the model's "
     "licence on the hub.",
     "gated repo|401 client error|403 client error|401 unauthorized|403 forbidden&hub|is gated|repository "
     "not found|access to model&is "
     "restricted|invalid user token"},
    {"log/arbitrary-uid", 19, kError, 80, false,
     "The container runs as a user without a home (OpenShift gives each namespace its own user id), and "
     "writes to a directory that it may not.",
     "Set HOME, XDG_CACHE_HOME and TRITON_CACHE_DIR to a writable volume (an emptyDir at /cache); do not "
     "grant anyuid or privileged for it.",
     "permission denied: '/.|permission denied: '/root|getpwuid(): uid not found|getpwuid() failed|uid not "
     "found|permission denied: \"/.|no user exists for uid|permission denied&/.triton|permission "
     "denied&/.cache"
     "|permission denied&/.config|permission denied&/.local|permission denied&/.nv"},
    {"log/bad-arguments", 0, kError, 82, false, "A program does not understand its arguments.",
     "Correct or leave out the flag that the line names. Flags differ between versions of an engine: pin the "
     "image, and look at its --help.",
     "unrecognized arguments|invalid choice:|error: argument -|ambiguous option|the following arguments are "
     "required|unknown flag|unknown option|no such option|unexpected option"},
    {"log/gpu-memory", 0, kError, 70, false,
     "The GPUs have too little memory for this model with these settings.",
     "Lower the memory fraction, the context length or the batch, or use more GPUs: `hadal plan` computes "
     "what fits.",
     "cuda out of memory|outofmemoryerror|cuda error: out of memory|not enough memory. please try|no "
     "available memory for the cache blocks|hip out of memory"},
    {"log/context-too-long", 0, kError, 80, false,
     "The longest request that was asked for is more than the model or the KV cache has.",
     "Lower --max-model-len (vLLM), --context-length (SGLang) or --max_seq_len (TensorRT-LLM) to what the "
     "line names, "
     "or use more GPUs: `hadal plan --context-length` computes what fits.",
     "greater than the derived max_model_len|kv cache is needed, which is larger|larger than the maximum "
     "number of "
     "tokens that can be stored in kv cache|is longer than the model's context|exceeds the model's "
     "maximum&length"},
    {"log/gpu-too-old", 0, kError, 80, false,
     "The GPUs cannot compute in the type of the weights or of the KV cache (FP8 needs Ada or Hopper, "
     "compute capability 8.9 or more).",
     "Use weights in int8, int4 or bf16, or other GPUs: `hadal plan` says which types each GPU has.",
     "fp8e4nv not supported|fp8&not supported&compute capability|fp8&requires&compute capability|no kernel "
     "image is "
     "available for execution"},
    {"log/wrong-architecture", 0, kError, 85, false, "The image is for another processor than the node's.",
     "Use an image of the node's architecture (amd64 or arm64), or a nodeSelector on kubernetes.io/arch.",
     "exec format error"},
    {"log/certificate", 0, kError, 80, false, "A server's certificate is not trusted in the pod.",
     "Behind a proxy that opens TLS, mount its CA and set SSL_CERT_FILE (hadal, Go), REQUESTS_CA_BUNDLE and "
     "CURL_CA_BUNDLE (Python).",
     "certificate_verify_failed|ssl certificate problem|certificate signed by unknown authority|unable to "
     "get local "
     "issuer certificate|self-signed certificate|self signed certificate"},
    {"log/read-only", 0, kError, 80, false, "A program writes to a file system that is read-only in the pod.",
     "Mount an emptyDir where it writes, and set HOME and its cache variables there; what fills the model's "
     "volume must "
     "mount it without readOnly.",
     "read-only file system"},
    {"log/gpu-fault", 0, kError, 75, false, "A GPU failed.",
     "Cordon and drain the node, look for Xid and NVRM in its kernel log, run `dcgmi diag -r 3`; the group "
     "will be placed elsewhere.",
     "uncorrectable ecc|xid&nvrm|cuda error: an illegal memory access|cuda error: unspecified launch "
     "failure|gpu has fallen off the bus|nvlink&error"},
    {"log/driver-mismatch", 0, kError, 75, false,
     "The image's CUDA does not run with the node's driver, or the container sees no GPU.",
     "Use an image for the node's CUDA (`hadal preflight` prints the driver), check the device plugin and "
     "the runtimeClassName.",
     "cuda driver version is insufficient|nvidia driver on your system is too old|unsatisfied condition: "
     "cuda>|no cuda-capable device|libcuda.so.1: cannot open|forward "
     "compatibility was attempted|nvidia-smi has failed|failed to initialize nvml"},
    {"log/config-mismatch", 0, kError, 70, false,
     "The ranks of the group do not run the same build or settings.",
     "Pin the image by digest and render leader and workers from one template (`hadal deploy render` "
     "does); roll all ranks together.",
     "differs from the leader|settings differ|config hash&differ|build&differs|is of another version"},
    {"log/bad-model", 0, kError, 65, false, "The model's files are missing, incomplete or damaged.",
     "Run `hadal pull` for the model again: it checks every file and fetches what is missing; see that the "
     "volume is mounted where --model points.",
     "safetensors&incomplete|header too "
     "large|invalidheaderdeserialization|checksum&mismatch|digest&mismatch|does not match its digest|no "
     "such file or directory&safetensors|no file named&config.json|cannot open&config.json|does not appear "
     "to have a file named"},
    {"log/other-model", 0, kError, 80, false,
     "The folder on the volume holds another model, or this one from another source: `hadal pull` mixes no "
     "two.",
     "Give the new one a folder of its own (model.path in the spec); or, if the old files may go, run "
     "`hadal pull REF --to FOLDER --replace` in a pod that mounts the volume.",
     "holds another model&is left as it is|is being filled with another model"},
    {"log/preflight", 0, kError, 85, false,
     "The preflight of a rank failed: the node does not have what the rank needs.",
     "The line says what is missing; correct the node or the pod, or let the scheduler choose another "
     "node.",
     "preflight&failed|preflight: error|preflight&fail:"},
};

}  // namespace

std::span<const DoctorLogRule> doctor_log_rules() {
  return kLogRules;
}

}  // namespace hadal::cluster
