// OutputBatcher: gathers what one engine step adds to all streams and posts it to each io thread once.
// Output thread only.
#pragma once

#include <memory>
#include <vector>

#include "net/http_server.h"

namespace hadal {

// Has bytes to send at the end of the step.
class StepWriter {
 public:
  virtual ~StepWriter() = default;
  virtual HttpWrite take_write() = 0;
};

class OutputBatcher {
 public:
  explicit OutputBatcher(size_t num_io) : writes_(num_io) {}
  // Each writer adds itself once per step.
  void add(std::shared_ptr<StepWriter> writer) { dirty_.push_back(std::move(writer)); }
  // The engine's step-end hook.
  void flush() {
    for (const auto& writer : dirty_) {
      HttpWrite write = writer->take_write();
      writes_[write.exchange->io_index()].push_back(std::move(write));
    }
    dirty_.clear();
    for (auto& batch : writes_) {
      if (batch.empty()) continue;
      const size_t size = batch.size();
      HttpServer::post_writes(std::move(batch));
      batch = std::vector<HttpWrite>();
      batch.reserve(size);
    }
  }

 private:
  std::vector<std::shared_ptr<StepWriter>> dirty_;
  std::vector<std::vector<HttpWrite>> writes_;
};

}  // namespace hadal
