// A pool that other programs of the same user share: one process serves it, the others acquire and release by its name.
// They need no connection in between; who has a sandbox has it until it is released, or for as long as was agreed.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "cloche/pool.h"

namespace cloche {

class PoolServer;

// One thread at a time.
class PoolService {
 public:
  // Makes the pool, and a socket that only its owner can open. The pool needs a name.
  static Result<PoolService> create(PoolConfig config);
  PoolService(PoolService&&) noexcept;
  PoolService& operator=(PoolService&&) noexcept;
  // Ends the pool, with all its sandboxes.
  ~PoolService();

  // Serves until `until`, a descriptor, is readable.
  Result<void> serve(int until);

 private:
  explicit PoolService(std::unique_ptr<PoolServer> server);
  std::unique_ptr<PoolServer> server_;
};

// A pool that some process serves, to others. It holds nothing.
class PoolClient {
 public:
  using Deadline = std::chrono::milliseconds;
  static constexpr Deadline kAnswer{10'000};  // What the pool's process has for it, beyond other deadlines.

  // `home` as for Sandbox.
  explicit PoolClient(std::string pool, std::string home = {}) : pool_(std::move(pool)), home_(std::move(home)) {}

  // The name of a sandbox that is the caller's from now on; with `lease`, it is taken back after that. Errors are those
  // of Pool::acquire(), and kUnavailable where nobody serves the pool.
  Result<std::string> acquire(Deadline deadline = Sandbox::kUsual, std::optional<Deadline> lease = {}) const;
  // By name or id. kNotFound where nobody has it.
  Result<void> release(const std::string& sandbox) const;
  Result<PoolStatus> status() const;

 private:
  std::string pool_;
  std::string home_;
};

}  // namespace cloche
