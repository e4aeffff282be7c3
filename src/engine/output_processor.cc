#include "engine/output_processor.h"

#include "base/check.h"

namespace hadal {
namespace {

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

OutputProcessor::OutputProcessor(EngineMetrics& metrics, std::function<void(RequestId)> cancel,
                                 std::function<void(RequestId)> closed)
    : metrics_(metrics), cancel_(std::move(cancel)), closed_(std::move(closed)) {}

void OutputProcessor::process(OutputBatch batch) {
  for (std::unique_ptr<RequestOutput>& output : batch.opened) {
    const RequestId id = output->id();
    entries_[id].output = std::move(output);
  }
  const TimePoint now = std::chrono::steady_clock::now();
  for (TokenEvent& event : batch.events) process(std::move(event), now);
}

void OutputProcessor::process(TokenEvent event, TimePoint now) {
  const auto it = entries_.find(event.id);
  HADAL_CHECK(it != entries_.end()) << "an event of request " << event.id << ", which is not open";
  Entry& entry = it->second;
  const bool ended = event.end.has_value();
  if (event.sample) metrics_.generated_tokens.add();
  if (!entry.output->finished() && (event.sample || !event.embedding.empty()))
    observe_token(entry, event, now);
  if (std::optional<OutputDelta> delta = entry.output->apply(std::move(event))) {
    const bool final = delta->finish.has_value();
    if (final) observe_final(entry, *delta, now);
    entry.output->sink().on_delta(std::move(*delta));
    if (final && !ended) cancel_(entry.output->id());
    if (final) closed_(entry.output->id());
  }
  if (ended) entries_.erase(it);
}

void OutputProcessor::observe_token(Entry& entry, const TokenEvent& event, TimePoint now) {
  if (entry.has_token) {
    metrics_.inter_token.observe(seconds(now - entry.last_token));
  } else {
    metrics_.time_to_first_token.observe(seconds(now - entry.output->arrival()));
    metrics_.queue_time.observe(seconds(event.queue_time));
    metrics_.cached_tokens.add(event.cached_tokens);
  }
  entry.has_token = true;
  entry.last_token = now;
}

void OutputProcessor::observe_final(const Entry& entry, const OutputDelta& delta, TimePoint now) {
  metrics_.requests(*delta.finish).add();
  metrics_.end_to_end.observe(seconds(now - entry.output->arrival()));
  if (entry.has_token) metrics_.prompt_tokens.add(delta.usage.prompt_tokens);
}

}  // namespace hadal
