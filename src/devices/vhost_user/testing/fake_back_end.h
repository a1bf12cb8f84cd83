// A vhost-user back end for tests, on a thread of its own: it answers as told, keeps what it was given, and can be made
// to misbehave at any message.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/mmap.h"
#include "devices/vhost_user/back_end.h"

namespace cloche::vhost_user {

class FakeBackEnd {
 public:
  using Bytes = std::vector<std::byte>;
  struct Message {
    Header header{};
    Bytes payload;
    std::vector<Fd> fds;
  };
  // What it does with a message, in the place of a good answer. The bytes are sent as they are.
  struct Deed {
    Bytes bytes{};
    bool hangs_up = false;
  };
  struct Nature {
    uint64_t features = 1ull << 32 | kFeatureProtocolFeatures;
    uint64_t protocol_features = kProtocolMq | kProtocolReplyAck | kProtocolConfig;
    uint64_t queues = 1;
    Bytes config{};  // GET_CONFIG of more than this is refused.
    // Asked at each message, with its number from 0.
    std::function<std::optional<Deed>(const Message&, size_t number)> deed{};
  };

  explicit FakeBackEnd(Nature nature) : nature_(std::move(nature)) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
    theirs_ = Fd(ends[0]);
    ours_ = Fd(ends[1]);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeBackEnd() {
    hang_up();
    thread_.join();
  }
  FakeBackEnd(const FakeBackEnd&) = delete;
  FakeBackEnd& operator=(const FakeBackEnd&) = delete;

  // The front end's side of it; once.
  Channel channel(std::chrono::milliseconds patience = Channel::kPatience) {
    return Channel::adopt(std::move(theirs_), patience).value();
  }
  void hang_up() { ::shutdown(ours_.get(), SHUT_RDWR); }

  // How often it was asked for this.
  size_t count(Request request) const {
    std::lock_guard lock(mutex_);
    size_t all = 0;
    for (Request seen : seen_) all += seen == request ? 1 : 0;
    return all;
  }
  size_t messages() const {
    std::lock_guard lock(mutex_);
    return seen_.size();
  }
  // The payload of the last such message that it got.
  Bytes last(Request request) const {
    std::lock_guard lock(mutex_);
    auto found = last_.find(request);
    return found == last_.end() ? Bytes() : found->second;
  }
  template <typename T>
  T last_as(Request request) const {
    T value{};
    Bytes bytes = last(request);
    std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
    return value;
  }
  // Of the queue that was set up last; -1 where none was.
  int kick() const { return fd_of(Request::kSetVringKick); }
  int call() const { return fd_of(Request::kSetVringCall); }
  // The first region of the guest's memory, mapped.
  Mmap map_memory() const {
    Bytes table = last(Request::kSetMemTable);
    MemoryTableRegion region{};
    std::memcpy(&region, table.data() + sizeof(MemoryTableHeader), sizeof region);
    return Mmap::shared(fd_of(Request::kSetMemTable), region.size, region.file_offset).value();
  }
  Bytes config() const {
    std::lock_guard lock(mutex_);
    return nature_.config;
  }

  static Bytes reply(Request request, std::span<const std::byte> payload, std::optional<uint32_t> claimed = {}) {
    Header header{static_cast<uint32_t>(request), kVersion | kFlagReply,
                  claimed.value_or(static_cast<uint32_t>(payload.size()))};
    Bytes out(sizeof header + payload.size());
    std::memcpy(out.data(), &header, sizeof header);
    std::ranges::copy(payload, out.begin() + sizeof header);
    return out;
  }
  static Bytes reply(Request request, uint64_t value) { return reply(request, std::as_bytes(std::span(&value, 1))); }

 private:
  int fd_of(Request request) const {
    std::lock_guard lock(mutex_);
    auto found = fds_.find(request);
    return found == fds_.end() || found->second.empty() ? -1 : found->second[0].get();
  }

  bool read(Message& message) const {
    iovec part{&message.header, sizeof message.header};
    alignas(cmsghdr) std::array<std::byte, 256> control{};
    msghdr raw{};
    raw.msg_iov = &part;
    raw.msg_iovlen = 1;
    raw.msg_control = control.data();
    raw.msg_controllen = control.size();
    if (::recvmsg(ours_.get(), &raw, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof message.header) return false;
    if (cmsghdr* rights = CMSG_FIRSTHDR(&raw)) {
      for (size_t i = 0; i < (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(rights) + i * sizeof fd, sizeof fd);
        message.fds.emplace_back(fd);
      }
    }
    message.payload.resize(message.header.size);
    return read_full(ours_.get(), message.payload).value_or(0) == message.payload.size();
  }

  void serve() {
    for (size_t number = 0;; ++number) {
      Message message;
      if (!read(message)) return;
      std::optional<Deed> deed = nature_.deed ? nature_.deed(message, number) : std::nullopt;
      Bytes out = deed ? std::move(deed->bytes) : answer(message);
      remember(std::move(message));
      if (!out.empty() && ::send(ours_.get(), out.data(), out.size(), MSG_NOSIGNAL) < 0) return;
      if (deed && deed->hangs_up) {
        ::shutdown(ours_.get(), SHUT_RDWR);
        return;
      }
    }
  }

  void remember(Message message) {
    auto request = static_cast<Request>(message.header.request);
    std::lock_guard lock(mutex_);
    seen_.push_back(request);
    last_[request] = std::move(message.payload);
    if (!message.fds.empty()) fds_[request] = std::move(message.fds);
  }

  Bytes answer(const Message& message) {
    auto request = static_cast<Request>(message.header.request);
    switch (request) {
      case Request::kGetFeatures:
        return reply(request, nature_.features);
      case Request::kGetProtocolFeatures:
        return reply(request, nature_.protocol_features);
      case Request::kGetQueueNum:
        return reply(request, nature_.queues);
      case Request::kGetVringBase:
        return reply(request, message.payload);
      case Request::kGetConfig:
        return answer_config(message);
      case Request::kSetConfig:
        if (!store_config(message)) return reply(request, 1);
        break;
      default:
        break;
    }
    return (message.header.flags & kFlagNeedReply) != 0 ? reply(request, 0) : Bytes();
  }

  Bytes answer_config(const Message& message) const {
    ConfigHeader wanted;
    std::memcpy(&wanted, message.payload.data(), sizeof wanted);
    std::lock_guard lock(mutex_);
    if (wanted.size > nature_.config.size()) return reply(Request::kGetConfig, Bytes());
    Bytes payload = message.payload;
    std::copy_n(nature_.config.begin(), wanted.size, payload.begin() + sizeof wanted);
    return reply(Request::kGetConfig, payload);
  }

  // Its first byte is what the guest may write.
  bool store_config(const Message& message) {
    ConfigHeader header;
    std::memcpy(&header, message.payload.data(), sizeof header);
    std::lock_guard lock(mutex_);
    if (header.offset != 0 || header.size != 1 || nature_.config.empty()) return false;
    nature_.config[0] = message.payload[sizeof header];
    return true;
  }

  Nature nature_;
  Fd theirs_, ours_;
  mutable std::mutex mutex_;  // Guards what follows, and nature_.config.
  std::vector<Request> seen_;
  std::map<Request, Bytes> last_;
  std::map<Request, std::vector<Fd>> fds_;
  std::thread thread_;
};

}  // namespace cloche::vhost_user
