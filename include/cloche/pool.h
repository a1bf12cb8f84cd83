// Pool: sandboxes that are ready before somebody needs one. It starts them, hands each to one user at a time, and never
// hands on what the last user left behind, unless it is told to.
//
//   auto pool = cloche::Pool::create({.sandbox = {.vm = {.memory_mib = 256}}, .min = 2, .max = 8});
//   auto lease = pool->acquire(std::chrono::seconds(5));
//   auto exec = lease->sandbox().exec({.arguments = {"python3", "-c", "print(6 * 7)"}});
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloche/result.h"
#include "cloche/sandbox.h"

namespace cloche {

// What becomes of a sandbox between two users.
enum class BetweenUsers : uint8_t {
  kReplace,  // It is ended, and a fresh one is started in its place.
  kKeep,     // It stays as its user left it, when its guest's agent answers a ping: for users who trust each other.
};

struct PoolConfig {
  // There is one pool of a name in a home at a time. What a pool of this name left behind when its process was killed
  // is removed by the next one. Empty: none of that. As for a sandbox, and 48 characters at most.
  std::string name{};
  // What the sandboxes are like. Their names are the pool's with a number, and the label kPoolLabel tells its name.
  SandboxConfig sandbox{};
  // Where they are kept; empty: as for Sandbox.
  std::string home{};
  // So many are kept ready to be handed out, as far as `max` lets it.
  uint32_t min = 1;
  // So many exist at most, ready, in use, being started or ended.
  uint32_t max = 4;
  BetweenUsers between_users = BetweenUsers::kReplace;
  // What is ready beyond `min` for so long is ended.
  std::chrono::milliseconds idle_time{300'000};
  // What a start, and the ping of a sandbox that comes back, may take.
  std::chrono::milliseconds start_deadline{60'000};
  std::chrono::milliseconds ping_deadline{5'000};
  // Told what goes wrong where no caller waits for it, a line each; on any thread, one at a time.
  std::function<void(std::string_view line)> log{};
};

// On every sandbox of a pool, with the pool's name. A named pool takes away what it finds with its own.
inline constexpr const char* kPoolLabel = "cloche.pool";

enum class PooledState : uint8_t {
  kReady,     // For the next user.
  kInUse,     // Somebody has it.
  kChecking,  // It came back, and is being pinged.
  kEnding,    // It is being removed.
};

// "ready", "in use" ...
std::string_view name_of(PooledState state);

struct PooledSandbox {
  std::string id{}, name{};
  PooledState state = PooledState::kReady;
  std::chrono::milliseconds age{};  // Of that state.
};

// One look at a pool.
struct PoolStatus {
  uint32_t min = 0, max = 0;
  uint32_t starting = 0;  // Not among the sandboxes yet.
  uint32_t waiting = 0;   // Users without one.
  std::vector<PooledSandbox> sandboxes{};
  std::string failure{};  // Why the last start failed; empty when all is well again.

  uint32_t count(PooledState state) const;
};

class PoolCore;

// A sandbox that is its holder's alone until this goes.
class Lease {
 public:
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;
  ~Lease();

  const std::string& name() const { return name_; }
  // Not after release() or discard().
  Sandbox& sandbox() { return *sandbox_; }
  // Gives it back now.
  void release();
  // The same; the sandbox is replaced in any case.
  void discard();

 private:
  friend class Pool;
  Lease(std::shared_ptr<PoolCore> core, std::string name, Sandbox sandbox);
  std::shared_ptr<PoolCore> core_;
  std::string name_;
  std::optional<Sandbox> sandbox_;
};

// Any thread. What it does in the background, it does on threads of its own.
class Pool {
 public:
  using Deadline = std::chrono::milliseconds;

  // Checks `config` and begins to start sandboxes. kInvalidArgument: also where a pool of that name is there.
  static Result<Pool> create(PoolConfig config);
  Pool(Pool&&) noexcept;
  Pool& operator=(Pool&&) noexcept;
  // Ends all its sandboxes, those in use as well, and waits for that. Who waits for one gets kUnavailable.
  ~Pool();

  // A ready sandbox at once, or else the first that is started or comes back; first come, first served. kTimeout says
  // how many are in use. Another error is why one could not be started: each failed start is told to one who waits.
  Result<Lease> acquire(Deadline deadline = Sandbox::kUsual);
  PoolStatus status() const;

 private:
  friend class PoolService;
  explicit Pool(std::shared_ptr<PoolCore> core);
  std::shared_ptr<PoolCore> core_;
};

}  // namespace cloche
