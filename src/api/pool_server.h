// The process of a served pool as its clients see it (wire/pool.h): a loop on one thread, and a PoolCore behind it.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/pool_core.h"
#include "base/event_loop.h"
#include "wire/pool.h"

namespace cloche {

class PoolServer {
 public:
  static constexpr size_t kMostClients = 256;  // More wait to be accepted.

  // Listens in the private directory `run_directory`, where nobody else does.
  static Result<std::unique_ptr<PoolServer>> create(std::shared_ptr<PoolCore> core, const std::string& run_directory);
  // Shuts the core down.
  ~PoolServer();
  PoolServer(const PoolServer&) = delete;
  PoolServer& operator=(const PoolServer&) = delete;

  Result<void> serve(int until);

 private:
  struct Client {
    Fd socket;
    std::vector<std::byte> received{};         // Of one frame,
    size_t wanted = wire::FrameHeader::kSize;  // of which so much is known to come.
    // While it waits for a sandbox:
    std::optional<PoolCore::Ticket> ticket{};
    EventLoop::TimerId deadline{};
    std::string offered{};  // A sandbox's id, until it says that it has it.
  };
  PoolServer(std::shared_ptr<PoolCore> core, std::unique_ptr<EventLoop> loop)
      : core_(std::move(core)), loop_(std::move(loop)) {}
  void accept();
  void hear(uint64_t number);
  void watch_for(uint64_t number, uint32_t events);
  void drop(uint64_t number);
  std::vector<std::byte> obey(wire::PoolFrame type, std::span<const std::byte> payload);
  void acquire(uint64_t number, const wire::Acquire& wanted);
  void deliver(uint64_t number, uint64_t lease_ms, Result<Pooled> taken);
  void give_up(uint64_t number, std::chrono::milliseconds deadline);
  void answer(uint64_t number, const std::vector<std::byte>& frame);
  void begin_lease(const std::string& id, uint64_t lease_ms);

  std::shared_ptr<PoolCore> core_;
  std::unique_ptr<EventLoop> loop_;
  std::string run_directory_;
  Fd listener_;
  uint64_t last_number_ = 0;  // Of a client; descriptors are used again, these are not.
  std::unordered_map<uint64_t, Client> clients_;
  std::unordered_map<std::string, EventLoop::TimerId> leases_;  // By the sandbox's id.
};

}  // namespace cloche
