// What preflight reads from the system, from its environment and from other hosts, fed with anything.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "preflight/fabric_env.h"
#include "preflight/gpu_inventory.h"
#include "preflight/limits.h"
#include "preflight/model_files.h"
#include "preflight/net_name.h"
#include "preflight/peer_meeting.h"
#include "preflight/peer_wire.h"
#include "preflight/rdma_inventory.h"
#include "preflight/words.h"

namespace {

void read_system(std::string_view text) {
  (void)hadal::parse_limit(text, "Max locked memory");
  (void)hadal::has_capability(text, 14);
  (void)hadal::meminfo_bytes(text, "MemTotal");
  (void)hadal::parse_link_rate(text);
  (void)hadal::is_empty_gid(text);
  (void)hadal::pci_address(text);
  const size_t middle = text.size() / 2;
  (void)hadal::pci_distance(text.substr(0, middle), 0, text.substr(middle), 0);
  (void)hadal::compare_dotted_versions(text.substr(0, middle), text.substr(middle));
  (void)hadal::natural_less(text.substr(0, middle), text.substr(middle));
  (void)hadal::parse_net_name(text);
  (void)hadal::index_files(text);
}

void read_environment(std::string_view text) {
  const hadal::NameFilter filter = hadal::parse_name_filter(text);
  (void)hadal::selects(filter, "mlx5_1", 1);
  hadal::FabricEnv env;
  env.variables.emplace_back("NCCL_IB_HCA", std::string(text));
  (void)hadal::shell_text(env);
}

void read_peer(std::string_view text) {
  (void)hadal::decode_peer_header(text, hadal::kMaxStrangerPayload);
  (void)hadal::decode_peer_frame(text, "", 0, false);
  // A frame that is well signed, with any body.
  const auto json = hadal::parse_json(text, 16);
  if (!json.ok()) return;
  (void)hadal::parse_outcome(*json);
  (void)hadal::parse_node(*json);
  const auto frame = hadal::encode_peer_frame({hadal::PeerFrame::kOutcome, *json}, "k", 1, true);
  if (!frame.ok()) return;
  const auto back = hadal::decode_peer_frame(*frame, "k", 1, true);
  (void)back;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_system(text);
  read_environment(text);
  read_peer(text);
  return 0;
}
