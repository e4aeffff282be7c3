// Host: what the checks see of the machine: files under a root prefix (so that tests give them a tree of
// their own), the environment, and a few questions to the system that tests answer themselves.
// Made by run_preflight's caller; const, so any thread may read.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/settings.h"

namespace hadal {

struct DiskSpace {
  uint64_t total = 0;  // bytes
  uint64_t free = 0;   // for this user
};

struct NetInterface {
  std::string name;
  std::vector<std::string> addresses;  // numeric
  bool up = false;
  bool loopback = false;
};

struct ClockState {
  bool known = false;
  bool synchronized = false;
  double max_error = 0;  // seconds, as the kernel estimates it
};

// What a name resolves to; when nothing, why.
struct Resolution {
  enum class Outcome { kFound, kUnknownName, kNoAddress, kNoAnswer, kTimeout, kFailed };
  Outcome outcome = Outcome::kFailed;
  std::vector<std::string> addresses;  // numeric, without repetition
  std::string message;
};

class Host {
 public:
  // root: "" for the machine itself.
  Host(std::string root, Environment environment)
      : root_(std::move(root)), environment_(std::move(environment)) {}
  virtual ~Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // `path` is absolute: "/proc/meminfo".
  std::string under_root(std::string_view path) const { return root_ + std::string(path); }
  // The file's text, at most 1 MiB, without white space at its end; nothing where it cannot be read.
  std::optional<std::string> read(std::string_view path) const;
  std::optional<int64_t> read_number(std::string_view path) const;
  // Names in a directory, sorted; digits by value ("mlx5_2" before "mlx5_10"). Empty where it is none.
  std::vector<std::string> list(std::string_view path) const;
  bool exists(std::string_view path) const;
  // With symbolic links followed, root taken off; "" where it leads nowhere.
  std::string real_path(std::string_view path) const;

  const Environment& environment() const { return environment_; }
  // "" where it is not set.
  std::string variable(const std::string& name) const;

  virtual Result<DiskSpace> space(std::string_view path) const;
  virtual std::vector<NetInterface> interfaces() const;
  virtual ClockState clock() const;
  virtual Resolution resolve(const std::string& name, std::chrono::milliseconds timeout) const;
  // Whether a TCP port can be listened on. Errors: kUnavailable with the reason.
  virtual Status can_listen(int port) const;
  virtual unsigned user_id() const;
  // The user's line in the password database is there.
  virtual bool has_user_name() const;
  // A file can be made in this directory. Errors say why not.
  virtual Status can_write(const std::string& directory) const;
  // The local address by which `address` (numeric) is reached; "" where there is no way.
  virtual std::string source_address(const std::string& address) const;

 private:
  const std::string root_;
  const Environment environment_;
};

// "a2" before "a10".
bool natural_less(std::string_view a, std::string_view b);

}  // namespace hadal
