// Communicator: collectives among the ranks of one group, on a stream. One per rank, used from its worker's
// thread; all ranks make the same calls in the same order. Every wait has a deadline; a failed or aborted
// call returns an Error that names the rank it waited for, after which the group is lost.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "device/stream.h"
#include "device/tensor.h"

namespace hadal {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // data: f32, contiguous, any shape; the sum over ranks, added in rank order on every rank (so all hold
  // equal bits).
  virtual Status all_reduce(Stream& stream, const Tensor& data) = 0;
  // in: f32 [n...]; out: f32 [size, n...]: rank r's input at out[r].
  virtual Status all_gather(Stream& stream, const Tensor& in, const Tensor& out) = 0;
  // in: f32 [size, n...]; out: f32 [n...]: the sum over ranks of their in[rank()].
  virtual Status reduce_scatter(Stream& stream, const Tensor& in, const Tensor& out) = 0;
  // in, out: f32 [size, n...]: out[r] = rank r's in[rank()].
  virtual Status all_to_all(Stream& stream, const Tensor& in, const Tensor& out) = 0;
  // data: any dtype; everyone gets root's bytes.
  virtual Status broadcast(Stream& stream, const Tensor& data, int root) = 0;
  virtual Status barrier() = 0;
  // Any thread: makes calls in progress and to come fail with `reason` on every rank it can reach.
  virtual void abort(const std::string& reason) = 0;
};

// A group of one: every call returns at once.
std::unique_ptr<Communicator> make_single_communicator();

}  // namespace hadal
