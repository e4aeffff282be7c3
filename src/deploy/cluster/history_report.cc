#include "deploy/cluster/history_report.h"

#include "deploy/cluster/text_table.h"

namespace hadal::cluster {

std::string history_text(const Inventory& inventory) {
  TextTable table(true);
  table.row({"REVISION", "TIME", "SOURCE", "OBJECTS", "STATE"});
  for (size_t i = inventory.history.size(); i-- > 0;) {
    const RevisionEntry& entry = inventory.history[i];
    const bool current = entry.revision == inventory.revision;
    std::string state = current ? "current" : "";
    if (current && inventory.in_progress)
      state += "; its apply did not end: " + std::to_string(inventory.num_applied) + " of " +
               std::to_string(inventory.objects.size()) + " objects applied";
    if (!entry.ended && !(current && inventory.in_progress))
      state += std::string(state.empty() ? "" : "; ") + "its apply did not end";
    if (!entry.stored)
      state += std::string(state.empty() ? "" : "; ") + "too large to be kept: no rollback to it";
    table.row(
        {std::to_string(entry.revision), entry.time, entry.source, std::to_string(entry.num_objects), state});
  }
  return table.text("");
}

Json history_json(const Inventory& inventory) {
  JsonArray out;
  for (const RevisionEntry& r : inventory.history)
    out.push_back(JsonObject{{"revision", r.revision},
                             {"time", r.time},
                             {"source", r.source},
                             {"objects", r.num_objects},
                             {"stored", r.stored},
                             {"ended", r.ended},
                             {"current", r.revision == inventory.revision}});
  return out;
}

}  // namespace hadal::cluster
