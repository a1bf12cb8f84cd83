#include "cloche/pool_service.h"

#include <fmt/format.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "api/pool_owner.h"
#include "api/pool_server.h"
#include "base/private_files.h"
#include "sandbox/control_client.h"
#include "sandbox/home.h"
#include "wire/pool.h"

namespace cloche {
namespace {

using sandbox::Clock;
using wire::PoolFrame;

// Homes can lie where there are no sockets, as over NFS: so it is elsewhere, with a link to it in the home. The caller
// has the pool's name.
Result<std::string> make_run_directory(const std::string& directory) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: pools of one name in several homes.
  for (char each : directory) hash = (hash ^ static_cast<unsigned char>(each)) * 0x100000001b3;
  std::string base = TRY(runtime_directory()) + "/pools", link = directory + "/run";
  std::string path = fmt::format("{}/{}-{:016x}", base, directory.substr(directory.rfind('/') + 1), hash);
  TRY(private_directory(base));
  TRY(private_directory(path));
  std::string partial = link + ".new";
  ::unlink(partial.c_str());
  if (::symlink(path.c_str(), partial.c_str()) < 0 || ::rename(partial.c_str(), link.c_str()) < 0)
    return fail_errno("link " + link);
  return path;
}

Result<void> send_all(int fd, std::span<const std::byte> bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    if (!TRY(sandbox::wait_for(fd, POLLOUT, deadline)))
      return fail(ErrorCode::kTimeout, "the pool's process takes nothing");
    ssize_t put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (put < 0) return fail(ErrorCode::kUnavailable, "its process has just ended");
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return {};
}

Result<void> receive_all(int fd, std::span<std::byte> bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    if (!TRY(sandbox::wait_for(fd, POLLIN, deadline)))
      return fail(ErrorCode::kTimeout, "the pool's process does not answer");
    ssize_t got = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) return fail(ErrorCode::kUnavailable, "its process has just ended");
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
  return {};
}

Result<Fd> connect(const std::string& directory) {
  auto connected = sandbox::ControlClient::connect(directory + "/run");
  if (!connected && connected.error().code == ErrorCode::kUnavailable)
    return fail(ErrorCode::kUnavailable, "nobody serves it; `cloche pool serve` does");
  return TRY(std::move(connected)).release();
}

// The payload of the answer, which is to be an `expected`.
Result<std::vector<std::byte>> ask(const Fd& socket, std::span<const std::byte> request, PoolFrame expected,
                                   Clock::time_point deadline) {
  TRY(send_all(socket.get(), request, deadline));
  std::array<std::byte, wire::FrameHeader::kSize> raw;
  wire::FrameHeader header;
  TRY(receive_all(socket.get(), raw, deadline));
  auto damaged = [] { return fail(ErrorCode::kProtocol, "its process sent what it must not"); };
  if (!wire::decode_header(raw, header) || header.payload_size > wire::kMaxPoolAnswerBytes) return damaged();
  std::vector<std::byte> payload(header.payload_size);
  TRY(receive_all(socket.get(), payload, deadline));
  if (static_cast<PoolFrame>(header.type) == expected) return payload;
  wire::Failed failed;
  if (static_cast<PoolFrame>(header.type) != PoolFrame::kRefused || !wire::decode(payload, failed) ||
      failed.code > static_cast<uint8_t>(ErrorCode::kInternal))
    return damaged();
  return fail(static_cast<ErrorCode>(failed.code), failed.what, failed.sys_errno);
}

template <typename T>
Result<T> about(const std::string& pool, Result<T> result) {
  if (!result) return std::unexpected(std::move(result).error().in("pool " + pool));
  return result;
}

}  // namespace

PoolService::PoolService(std::unique_ptr<PoolServer> server) : server_(std::move(server)) {}
PoolService::PoolService(PoolService&&) noexcept = default;
PoolService& PoolService::operator=(PoolService&&) noexcept = default;
PoolService::~PoolService() = default;
Result<void> PoolService::serve(int until) { return server_->serve(until); }

Result<PoolService> PoolService::create(PoolConfig config) {
  if (config.name.empty()) return fail(ErrorCode::kInvalidArgument, "pool: it needs a name to be served by");
  std::string name = config.name, directory = TRY(PoolOwner::directory_of(config.home, name));
  Pool pool = TRY(Pool::create(std::move(config)));
  std::string run = TRY(about(name, make_run_directory(directory)));
  return PoolService(TRY(about(name, PoolServer::create(std::move(pool.core_), run))));
}

Result<std::string> PoolClient::acquire(Deadline deadline, std::optional<Deadline> lease) const {
  auto asked = [&]() -> Result<std::string> {
    std::string directory = TRY(PoolOwner::directory_of(home_, pool_));
    wire::Acquire wanted{.deadline_ms = static_cast<uint32_t>(std::clamp<int64_t>(deadline.count(), 0, UINT32_MAX)),
                         .lease_ms = lease ? static_cast<uint64_t>(std::max<int64_t>(lease->count(), 1)) : 0};
    auto until = Clock::now() + deadline + kAnswer;
    Fd socket = TRY(connect(directory));
    auto payload = TRY(ask(socket, wire::encode(wanted), PoolFrame::kAcquired, until));
    wire::Reader from(payload);
    std::string name;
    from.get(name);
    if (!from.done()) return fail(ErrorCode::kProtocol, "its process sent what it must not");
    TRY(ask(socket, wire::encode_pool(PoolFrame::kTaken), PoolFrame::kDone, Clock::now() + kAnswer));
    return name;
  };
  return about(pool_, asked());
}

Result<void> PoolClient::release(const std::string& sandbox) const {
  auto asked = [&]() -> Result<void> {
    std::string directory = TRY(PoolOwner::directory_of(home_, pool_));
    // By its id, whatever it is called now; one that was removed still is what its user calls it.
    auto opened = Sandbox::open(sandbox, home_);
    const std::string& word = opened ? opened->id() : sandbox;
    wire::Writer request;
    request.put(std::string_view(word));
    if (request.bytes().size() > wire::kMaxPoolRequestBytes) return fail(ErrorCode::kNotFound, "there is none such");
    auto frame = wire::encode_pool(PoolFrame::kRelease, std::move(request));
    Fd socket = TRY(connect(directory));
    TRY(ask(socket, frame, PoolFrame::kDone, Clock::now() + kAnswer));
    return {};
  };
  auto done = asked();
  if (!done && done.error().code == ErrorCode::kNotFound)
    done = std::unexpected(std::move(done).error().in("release " + sandbox));
  return about(pool_, std::move(done));
}

Result<PoolStatus> PoolClient::status() const {
  auto asked = [&]() -> Result<PoolStatus> {
    std::string directory = TRY(PoolOwner::directory_of(home_, pool_));
    auto frame = wire::encode_pool(PoolFrame::kStatus);
    Fd socket = TRY(connect(directory));
    auto payload = TRY(ask(socket, frame, PoolFrame::kStatusIs, Clock::now() + kAnswer));
    wire::PoolLook look;
    if (!wire::decode(payload, look)) return fail(ErrorCode::kProtocol, "its process sent what it must not");
    PoolStatus status{.min = look.min,
                      .max = look.max,
                      .starting = look.starting,
                      .waiting = look.waiting,
                      .failure = std::move(look.failure)};
    for (wire::PoolLook::Member& each : look.members)
      status.sandboxes.push_back({std::move(each.id), std::move(each.name), static_cast<PooledState>(each.state),
                                  std::chrono::milliseconds(each.age_ms)});
    return status;
  };
  return about(pool_, asked());
}

}  // namespace cloche
