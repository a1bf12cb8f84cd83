#include "devices/vhost_user/back_end.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "virtio/spec.h"

namespace cloche::vhost_user {
namespace {

constexpr uint64_t kProtocolWanted = kProtocolMq | kProtocolReplyAck | kProtocolConfig;

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

template <typename T>
T first_of(std::span<const std::byte> bytes) {
  T value;
  assert(bytes.size() >= sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

Result<BackEnd> BackEnd::create(Channel channel) {
  BackEnd back_end(std::move(channel));
  TRY(back_end.tell(Request::kSetOwner, {}));
  uint64_t features = TRY(back_end.ask(Request::kGetFeatures));
  if ((features & kFeatureProtocolFeatures) == 0 || (features & virtio::kFeatureVersion1) == 0)
    return fail(ErrorCode::kUnsupported,
                fmt::format("the vhost-user back end offers features {:#x}: virtio 1 and protocol features are needed",
                            features));
  back_end.features_ = features & ~kFeatureProtocolFeatures;
  uint64_t agreed = TRY(back_end.ask(Request::kGetProtocolFeatures)) & kProtocolWanted;
  TRY(back_end.tell(Request::kSetProtocolFeatures, bytes_of(agreed)));
  back_end.protocol_features_ = agreed;  // Only now: the message that agrees on answers is not yet answered.
  return back_end;
}

Result<uint64_t> BackEnd::ask(Request request) {
  TRY(channel_.send(request, {}));
  return first_of<uint64_t>(TRY(channel_.receive(request, {sizeof(uint64_t)})));
}

Result<void> BackEnd::tell(Request request, std::span<const std::byte> payload, std::span<const int> fds) {
  bool answered = (protocol_features_ & kProtocolReplyAck) != 0;
  TRY(channel_.send(request, payload, fds, answered ? kFlagNeedReply : 0));
  if (!answered) return {};
  uint64_t failed = first_of<uint64_t>(TRY(channel_.receive(request, {sizeof(uint64_t)})));
  if (failed == 0) return {};
  return fail(ErrorCode::kHost, fmt::format("the vhost-user back end refused request {} with {}",
                                            static_cast<uint32_t>(request), failed));
}

Result<std::optional<uint64_t>> BackEnd::queue_count() {
  if ((protocol_features_ & kProtocolMq) == 0) return std::nullopt;
  return TRY(ask(Request::kGetQueueNum));
}

Result<std::vector<std::byte>> BackEnd::config(size_t size) {
  assert(size <= kMaxConfigBytes);
  if ((protocol_features_ & kProtocolConfig) == 0) return std::vector<std::byte>();
  ConfigHeader header{0, static_cast<uint32_t>(size), 0};
  std::vector<std::byte> payload(sizeof header + size);
  std::memcpy(payload.data(), &header, sizeof header);
  TRY(channel_.send(Request::kGetConfig, payload));
  // "No" is an empty payload, or a header that says so.
  std::vector<std::byte> reply = TRY(channel_.receive(Request::kGetConfig, {payload.size(), sizeof header, 0}));
  if (reply.size() < payload.size()) return std::vector<std::byte>();
  auto answered = first_of<ConfigHeader>(reply);
  if (answered.offset != 0 || answered.size != size) {
    close();
    return fail(ErrorCode::kProtocol, "the vhost-user back end answered with another part of its config space");
  }
  reply.erase(reply.begin(), reply.begin() + sizeof header);
  return reply;
}

Result<void> BackEnd::set_config(uint32_t offset, std::span<const std::byte> bytes) {
  assert(bytes.size() <= kMaxConfigBytes);
  ConfigHeader header{offset, static_cast<uint32_t>(bytes.size()), 0};
  std::vector<std::byte> payload(sizeof header + bytes.size());
  std::memcpy(payload.data(), &header, sizeof header);
  std::ranges::copy(bytes, payload.begin() + sizeof header);
  return tell(Request::kSetConfig, payload);
}

Result<void> BackEnd::set_features(uint64_t acknowledged) {
  // With the protocol's bit, rings wait for SET_VRING_ENABLE.
  uint64_t value = (acknowledged & features_) | kFeatureProtocolFeatures;
  return tell(Request::kSetFeatures, bytes_of(value));
}

Result<void> BackEnd::set_memory(std::span<const SharedRegion> regions) {
  assert(regions.size() <= kMaxRegions);
  MemoryTableHeader header{static_cast<uint32_t>(regions.size()), 0};
  std::vector<std::byte> payload(sizeof header + regions.size() * sizeof(MemoryTableRegion));
  std::memcpy(payload.data(), &header, sizeof header);
  std::vector<int> fds;
  for (size_t i = 0; i < regions.size(); ++i) {
    const SharedRegion& region = regions[i];
    MemoryTableRegion entry{region.guest_address, region.size, region.guest_address, region.file_offset};
    std::memcpy(payload.data() + sizeof header + i * sizeof entry, &entry, sizeof entry);
    fds.push_back(region.fd);
  }
  return tell(Request::kSetMemTable, payload, fds);
}

// Size, place and call before kick: the kick's arrival is what starts a ring.
Result<void> BackEnd::start(const Ring& ring) {
  TRY(tell(Request::kSetVringNum, bytes_of(VringState{ring.index, ring.size})));
  TRY(tell(Request::kSetVringBase, bytes_of(VringState{ring.index, 0})));
  TRY(tell(Request::kSetVringAddr,
           bytes_of(VringAddress{ring.index, 0, ring.descriptors, ring.used, ring.available, 0})));
  uint64_t index = ring.index;
  TRY(tell(Request::kSetVringCall, bytes_of(index), std::span(&ring.call_fd, 1)));
  TRY(tell(Request::kSetVringKick, bytes_of(index), std::span(&ring.kick_fd, 1)));
  return tell(Request::kSetVringEnable, bytes_of(VringState{ring.index, 1}));
}

Result<uint16_t> BackEnd::stop(uint32_t index) {
  TRY(channel_.send(Request::kGetVringBase, bytes_of(VringState{index, 0})));
  auto state = first_of<VringState>(TRY(channel_.receive(Request::kGetVringBase, {sizeof(VringState)})));
  if (state.index != index || state.value > UINT16_MAX) {
    close();
    return fail(ErrorCode::kProtocol, "the vhost-user back end stopped another queue than it was asked to");
  }
  return static_cast<uint16_t>(state.value);
}

}  // namespace cloche::vhost_user
