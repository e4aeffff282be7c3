#include <algorithm>

#include "preflight/check.h"
#include "preflight/disk_checks.h"
#include "preflight/gpu_checks.h"
#include "preflight/limit_checks.h"
#include "preflight/net_checks.h"
#include "preflight/peer_checks.h"
#include "preflight/rdma_checks.h"
#include "preflight/system_checks.h"

namespace hadal {
namespace {

// clang-format off
constexpr CheckSpec kTable[] = {
    {"kernel", "system", "The version of the Linux kernel", "Older kernels lack interfaces that RDMA and large models need", "Use Linux 5.4 or later", &check_kernel},
    {"cpu-features", "system", "AVX2, AVX-512, VNNI, BF16 and AMX in /proc/cpuinfo", "They decide how fast a model runs on the CPU", "Use a CPU with AVX2 at least; in a guest let the hypervisor pass the host's CPU through", &check_cpu_features},
    {"hugepages", "system", "Transparent huge pages, and huge pages set aside", "Small pages slow reading weights; reserved pages are lost to the model", "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled", &check_hugepages},
    {"numa-balancing", "system", "Automatic NUMA balancing on hosts with several nodes", "The kernel moves pages while ranks use them, which makes steps uneven", "sysctl kernel.numa_balancing=0 on the node", &check_numa_balancing},
    {"user", "system", "The user, and rights beyond need", "hadal needs neither root nor a privileged pod", "runAsNonRoot: true, and capabilities drop ALL, add IPC_LOCK where RDMA is used", &check_user},
    {"home", "system", "HOME is there and writable", "Under an arbitrary user (OpenShift) HOME is often /, and libraries fail to write their caches", "Set HOME to a writable volume, as /cache or /tmp", &check_home},
    {"clock-sync", "system", "The kernel's clock is disciplined by NTP", "Logs of several hosts are only comparable with equal clocks; tokens and certificates expire by the clock", "Run chrony or systemd-timesyncd on the node", &check_clock_sync},
    {"memory", "limits", "Memory of the container or host, against --min-memory", "A container that reaches its limit is killed without a word", "Raise the memory limit, or plan for less (hadal plan)", &check_memory},
    {"cpus", "limits", "CPUs of the container or host, against --min-cpus", "A quota below the plan throttles every rank", "Raise the CPU limit, or set none", &check_cpus},
    {"memlock", "limits", "The limit of locked memory, and the capability IPC_LOCK", "RDMA locks its buffers: with the usual 64 KiB or 8 MiB registering memory fails", "Add the capability IPC_LOCK, or LimitMEMLOCK=infinity in the container runtime's unit", &check_memlock},
    {"nofile", "limits", "The hard limit of open files", "Each connection takes one; weights take one a file", "LimitNOFILE=1048576 in the unit or the container runtime", &check_nofile},
    {"nproc", "limits", "The limits of processes and threads", "Ranks, NCCL and servers start many threads", "Raise the pids limit of the container (podPidsLimit) or LimitNPROC", &check_nproc},
    {"core", "limits", "Whether crashes write core files", "A core file of a process that holds a model is as large as the model", "LimitCORE=0 where disks are small", &check_core},
    {"shm-size", "limits", "Size and free part of /dev/shm, against --min-shm", "NCCL and engines pass data between ranks through it; containers get 64 MiB", "Mount an emptyDir with medium Memory and a sizeLimit at /dev/shm; it counts in the memory limit", &check_shm_size},
    {"shm-leftovers", "limits", "Files that an earlier run left in /dev/shm", "Leaks over restarts fill it until nothing starts any more", "Remove them when nothing uses them (fuser -v /dev/shm/*)", &check_shm_leftovers},
    {"gpu-count", "gpu", "GPUs that the driver shows, against --expect-gpus", "A GPU that fell off the bus, or a pod without its limit, fails much later and less clearly", "Look at nvidia-smi and dmesg (Xid) on the node; in a pod at the limit of nvidia.com/gpu", &check_gpu_count},
    {"gpu-model", "gpu", "Product names, against --gpu-type", "A node pool of mixed types breaks the plan", "Use a node selector on nvidia.com/gpu.product", &check_gpu_model},
    {"gpu-memory", "gpu", "Memory of each GPU, and what is in use", "Memory that a dead process left in use is not there for the model", "Find the process with nvidia-smi; drain the node if there is none", &check_gpu_memory},
    {"gpu-driver", "gpu", "The driver's version, against --min-driver", "CUDA libraries refuse older drivers", "Update the driver (GPU Operator: driver.version)", &check_gpu_driver},
    {"gpu-cuda", "gpu", "The newest CUDA that the driver runs", "Programs built for a newer major version do not start", "Update the driver", &check_gpu_cuda},
    {"gpu-compute", "gpu", "Compute capability, against --min-compute", "FP8 needs 8.9 or later: an A100 or A800 (8.0) has none", "Use other GPUs, or weights of another type", &check_gpu_compute},
    {"gpu-devices", "gpu", "/dev/nvidia* files of each GPU", "Without them a container cannot use a GPU that it sees", "Start the container through the NVIDIA runtime or its device plugin", &check_gpu_devices},
    {"gpu-ecc", "gpu", "ECC, uncorrectable errors, rows to be remapped, retired pages", "Broken memory gives wrong answers or kills the job hours later", "Reset or replace the GPU", &check_gpu_ecc},
    {"gpu-mig", "gpu", "GPUs that are split by MIG", "Instances cannot speak over NVLink and hold a part of the memory", "nvidia-smi -mig 0, or another node", &check_gpu_mig},
    {"gpu-mode", "gpu", "Persistence mode and compute mode", "Without persistence the driver unloads between uses; Prohibited lets nothing run", "nvidia-smi -pm 1; nvidia-smi -c 0", &check_gpu_mode},
    {"gpu-pcie", "gpu", "Width of each GPU's PCIe link", "A link that trained narrow loads weights and feeds NICs at a part of the rate", "Reseat the card, look at the BIOS and dmesg (AER)", &check_gpu_pcie},
    {"gpu-throttle", "gpu", "Reasons why clocks are held down, and the temperature", "One slow GPU slows all ranks", "Look at cooling and power of the node", &check_gpu_throttle},
    {"gpu-nvlink", "gpu", "NVLinks that are up on each GPU", "A link that is down slows every all-reduce", "Reset the GPUs or reboot; look at dmesg (Xid 74)", &check_gpu_nvlink},
    {"gpu-fabric", "gpu", "Registration with the NVSwitch fabric", "Without the fabric manager CUDA does not start on NVSwitch machines (error 802)", "systemctl status nvidia-fabricmanager on the node; its version must be the driver's", &check_gpu_fabric},
    {"gpu-peers", "gpu", "Which GPU pairs reach one another directly, and over NVLink", "Tensor parallelism without direct access goes through the host", "Look at nvidia-smi topo -p2p r; turn ACS or the IOMMU off for these devices", &check_gpu_peers},
    {"rdma-devices", "rdma", "RDMA devices, and their /dev/infiniband/uverbs files", "A container sees the host's devices in sysfs and may use only those whose file it has", "Ask for rdma/... in the pod's limits, or start it with the devices", &check_rdma_devices},
    {"rdma-ports", "rdma", "State, link layer and rate of each port", "NCCL leaves out a port that is down, or hangs on it", "Look at the cable, the switch and ibstat", &check_rdma_ports},
    {"rdma-gid", "rdma", "The GID index for RoCE v2 (InfiniBand: 0)", "The right index differs from host to host; a wrong one times out", "hadal preflight --print-env prints it; without a RoCE v2 entry look at the interface's address and the CNI", &check_rdma_gid},
    {"rdma-topology", "rdma", "How near each GPU has a device on PCI", "GPUDirect RDMA past the root complex runs at a part of the rate", "Use the devices of the same PCIe switch; look at nvidia-smi topo -m", &check_rdma_topology},
    {"rdma-verbs", "rdma", "libibverbs opens the devices and registers 256 MiB", "What sysfs shows is not always what a program may use", "Install rdma-core's providers; give the container its devices and IPC_LOCK", &check_rdma_verbs},
    {"rdma-bandwidth", "rdma", "Nothing: said so that nobody takes the TCP rate for it", "RDMA is what the group will use", "ib_write_bw of perftest between the hosts", &check_rdma_bandwidth},
    {"env-hca", "env", "NCCL_IB_HCA against the devices", "Without '=' mlx5_1 also matches mlx5_10 and later", "hadal preflight --print-env prints what fits", &check_env_hca},
    {"env-gid", "env", "NCCL_IB_GID_INDEX against the GID tables", "An empty entry or RoCE v1 ends in timeouts", "hadal preflight --print-env prints what fits", &check_env_gid},
    {"env-interface", "env", "NCCL_SOCKET_IFNAME, GLOO_SOCKET_IFNAME and UCX_NET_DEVICES against the interfaces", "A name that is not on this host stops the group at start", "hadal preflight --print-env prints what fits", &check_env_interface},
    {"env-obsolete", "env", "Variables that NCCL no longer reads, and those that turn fast ways off", "They were copied from old guides and do not do what they say", "Remove them", &check_env_obsolete},
    {"model-files", "disk", "The model's weights are there, all that the index names", "A download that was cut fails when it is loaded, on the last host", "hadal pull fetches what is missing", &check_model_files},
    {"model-marker", "disk", "The marker that hadal pull leaves: revision and digest", "Two hosts with different revisions give nonsense", "Fetch the model with hadal pull", &check_model_marker},
    {"model-disk", "disk", "The rate at which the model's volume reads, past the page cache", "It decides how long a start takes: 642 GB at 1 GB/s are 11 minutes", "Use a local disk or a faster file system; give the startup probe that time", &check_model_disk},
    {"cache-disk", "disk", "The cache directory: writable, free space, write rate", "Compile caches and downloads go there", "Mount a writable volume, and set HF_HOME or XDG_CACHE_HOME", &check_cache_disk},
    {"host-name", "network", "Host name, POD_IP and interfaces", "A pod whose POD_IP is on no interface tells the others a wrong address", "Take POD_IP from status.podIP", &check_host_name},
    {"leader-name", "network", "The leader's name resolves, waited for until --timeout", "Workers often start before the leader's name is known, and fail with an empty address", "dnsPolicy ClusterFirstWithHostNet with hostNetwork; publishNotReadyAddresses on the headless Service", &check_leader_name},
    {"ports", "network", "Ports can be listened on", "With hostNetwork two pods of a node want the same port", "Choose another port, or keep the pods apart", &check_ports},
    {"peer-meeting", "peers", "All ranks come to rank 0 until --timeout and prove the group secret", "A rank that cannot reach the leader leaves the group hanging", "Look at the named rank's pod; NetworkPolicy must let the group's pods reach one another", &check_peer_meeting},
    {"peer-failures", "peers", "Whether other hosts' own checks failed", "The group is no better than its worst host", "Look at that host's preflight", &check_peer_failures},
    {"peer-agreement", "peers", "Version, settings, model, drivers and NCCL variables of all hosts", "Leader and workers must run the same", "Render all of a group's pods from one template (hadal deploy render)", &check_peer_agreement},
    {"clock-skew", "peers", "How far the hosts' clocks are apart, against --max-skew", "Logs and traces of a group do not fit together", "Run chrony on the nodes", &check_clock_skew},
    {"peer-latency", "peers", "TCP round trips between all pairs of hosts", "Every step of a group waits for a message", "Place the group's pods in one rack or zone", &check_peer_latency},
    {"peer-bandwidth", "peers", "TCP bandwidth between all pairs of hosts, one stream, no pair at the same time as another of its hosts", "A host on a slow or wrong network slows all; this is not the RDMA rate", "Look at the slow host's NIC, MTU and CNI; choose the interface with GLOO_SOCKET_IFNAME", &check_peer_bandwidth},
};
// clang-format on

}  // namespace

std::span<const CheckSpec> check_table() {
  return kTable;
}

bool is_check_name(std::string_view name) {
  return std::any_of(std::begin(kTable), std::end(kTable),
                     [&](const CheckSpec& spec) { return spec.name == name || spec.group == name; });
}

}  // namespace hadal
