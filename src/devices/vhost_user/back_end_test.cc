// BackEnd and Channel against back ends of the test's own: a good one on a thread, and hostile ones whose every byte is
// written before it is asked for.
#include "devices/vhost_user/back_end.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <thread>

namespace cloche::vhost_user {
namespace {

constexpr uint64_t kOffered = 1ull << 32 | kFeatureProtocolFeatures | 1;
constexpr std::chrono::milliseconds kShort{50};

struct Pair {
  Fd ours, theirs;
  Pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours = Fd(ends[0]);
    theirs = Fd(ends[1]);
  }
};

void append(std::vector<std::byte>& out, const void* data, size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  out.insert(out.end(), bytes, bytes + size);
}

std::vector<std::byte> reply(uint32_t request, uint64_t value, uint32_t size = 8, uint32_t flags = 5) {
  Header header{request, flags, size};
  std::vector<std::byte> out;
  append(out, &header, sizeof header);
  append(out, &value, sizeof value);
  return out;
}

// What a front end sent, as a good back end sees it; answers like one until the hang-up.
struct Served {
  std::vector<Header> headers;
  std::vector<std::vector<std::byte>> payloads;
  std::vector<size_t> fds;
};

std::vector<std::byte> answer(const Header& header, const std::vector<std::byte>& payload) {
  std::vector<std::byte> out;
  auto request = static_cast<Request>(header.request);
  if (request == Request::kGetFeatures) return reply(header.request, kOffered);
  if (request == Request::kGetProtocolFeatures) return reply(header.request, ~0ull);
  if (request == Request::kGetQueueNum) return reply(header.request, 3);
  if (request == Request::kGetVringBase || request == Request::kGetConfig) {
    Header answered{header.request, kVersion | kFlagReply, header.size};
    append(out, &answered, sizeof answered);
    append(out, payload.data(), payload.size());
    if (request == Request::kGetVringBase) out[sizeof answered + 4] = std::byte{7};
    if (request == Request::kGetConfig) out.back() = std::byte{9};
  } else if ((header.flags & kFlagNeedReply) != 0) {
    return reply(header.request, 0);
  }
  return out;
}

void serve(int socket, Served& served) {
  for (;;) {
    Header header{};
    iovec part{&header, sizeof header};
    alignas(cmsghdr) std::array<std::byte, 256> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(socket, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof header) return;
    size_t fds = 0;
    if (cmsghdr* rights = CMSG_FIRSTHDR(&message)) {
      fds = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < fds; ++i) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(rights) + i * sizeof fd, sizeof fd);
        ::close(fd);
      }
    }
    std::vector<std::byte> payload(header.size);
    if (read_full(socket, payload).value_or(0) != payload.size()) return;
    auto out = answer(header, payload);
    served.headers.push_back(header);
    served.payloads.push_back(payload);
    served.fds.push_back(fds);
    if (!write_full(socket, out)) return;
  }
}

TEST(VhostUserBackEnd, AGoodOneIsSetUpStartedAndStopped) {
  Pair pair;
  Served served;
  std::thread thread([&] { serve(pair.theirs.get(), served); });
  {
    auto back_end = BackEnd::create(Channel::adopt(std::move(pair.ours)).value());
    ASSERT_TRUE(back_end) << back_end.error().message();
    EXPECT_EQ(back_end->features(), 1ull << 32 | 1);
    EXPECT_EQ(back_end->queue_count().value(), 3u);
    auto config = back_end->config(8);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->size(), 8u);
    EXPECT_EQ(config->back(), std::byte{9});
    EventFd event = EventFd::create().value();
    EXPECT_TRUE(back_end->set_features(~0ull));
    std::array<SharedRegion, 2> regions{SharedRegion{0, 4096, event.fd(), 0}, {8192, 4096, event.fd(), 4096}};
    EXPECT_TRUE(back_end->set_memory(regions));
    EXPECT_TRUE(back_end->start({.index = 1,
                                 .size = 64,
                                 .descriptors = 16,
                                 .available = 32,
                                 .used = 48,
                                 .kick_fd = event.fd(),
                                 .call_fd = event.fd()}));
    EXPECT_EQ(back_end->stop(1).value(), 7);
  }
  thread.join();
  ASSERT_EQ(served.headers.size(), 15u);
  EXPECT_EQ(served.headers[3].request, static_cast<uint32_t>(Request::kSetProtocolFeatures));
  EXPECT_EQ(served.headers[3].flags, kVersion);  // Not yet agreed that it is answered.
  EXPECT_EQ(served.headers[7].request, static_cast<uint32_t>(Request::kSetMemTable));
  EXPECT_EQ(served.fds[7], 2u);
  EXPECT_EQ(served.payloads[7].size(), 8u + 2 * 32);
  uint64_t acknowledged;
  std::memcpy(&acknowledged, served.payloads[6].data(), sizeof acknowledged);
  EXPECT_EQ(acknowledged, kOffered);  // Never more than was offered.
  EXPECT_EQ(served.fds[11], 1u);
  EXPECT_EQ(served.fds[12], 1u);
}

// What a hostile back end has already written when it is asked for its features, and what comes of it.
ErrorCode told(std::span<const std::byte> bytes, bool hang_up) {
  Pair pair;
  EXPECT_TRUE(write_full(pair.theirs.get(), bytes));
  // Only its half: it still takes what it is sent.
  if (hang_up) ::shutdown(pair.theirs.get(), SHUT_WR);
  auto back_end = BackEnd::create(Channel::adopt(std::move(pair.ours), kShort).value());
  EXPECT_FALSE(back_end);
  return back_end ? ErrorCode::kInternal : back_end.error().code;
}

TEST(VhostUserBackEnd, HostileAnswersAreErrors) {
  EXPECT_EQ(told({}, false), ErrorCode::kTimeout);
  EXPECT_EQ(told({}, true), ErrorCode::kHost);
  auto good = reply(1, kOffered);
  for (size_t size = 1; size < good.size(); ++size) {
    EXPECT_EQ(told(std::span(good).first(size), true), ErrorCode::kHost) << size;
  }
  EXPECT_EQ(told(std::span(good).first(13), false), ErrorCode::kTimeout);
  EXPECT_EQ(told(reply(2, kOffered), false), ErrorCode::kProtocol);              // Another request's.
  EXPECT_EQ(told(reply(1, kOffered, 8, 1), false), ErrorCode::kProtocol);        // No reply.
  EXPECT_EQ(told(reply(1, kOffered, 8, 4), false), ErrorCode::kProtocol);        // No version.
  EXPECT_EQ(told(reply(1, kOffered, 0), false), ErrorCode::kProtocol);           // Too short.
  EXPECT_EQ(told(reply(1, kOffered, 0xffffffff), false), ErrorCode::kProtocol);  // Never allocated.
  EXPECT_EQ(told(reply(1, 1ull << 32), false), ErrorCode::kUnsupported);
  EXPECT_EQ(told(reply(1, kFeatureProtocolFeatures), false), ErrorCode::kUnsupported);
}

TEST(VhostUserBackEnd, DescriptorsNobodyAskedForAreRefused) {
  Pair pair;
  Channel sender = Channel::adopt(std::move(pair.theirs), kShort).value();
  uint64_t value = kOffered;
  int fd = STDIN_FILENO;
  ASSERT_TRUE(sender.send(Request::kGetFeatures, std::as_bytes(std::span(&value, 1)), std::span(&fd, 1), kFlagReply));
  auto back_end = BackEnd::create(Channel::adopt(std::move(pair.ours), kShort).value());
  ASSERT_FALSE(back_end);
  EXPECT_EQ(back_end.error().code, ErrorCode::kProtocol);
}

TEST(VhostUserChannel, IsClosedAfterAnErrorAndNeverHangsOnOneThatDoesNotRead) {
  Pair pair;
  Channel channel = Channel::adopt(std::move(pair.ours), kShort).value();
  std::vector<std::byte> payload(256);
  Result<void> sent;
  for (int i = 0; i < 100'000 && sent; ++i) sent = channel.send(Request::kSetConfig, payload);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::kTimeout);
  EXPECT_EQ(channel.fd(), -1);
  EXPECT_FALSE(channel.send(Request::kSetOwner, {}));
  EXPECT_FALSE(channel.receive(Request::kGetFeatures, {8}));
}

TEST(VhostUserChannel, NamesWhatItCannotConnectTo) {
  EXPECT_EQ(Channel::connect("").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Channel::connect(std::string(200, 'a')).error().code, ErrorCode::kInvalidArgument);
  auto absent = Channel::connect("/nonexistent/socket");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
  EXPECT_NE(absent.error().what.find("/nonexistent/socket"), std::string::npos);
}

}  // namespace
}  // namespace cloche::vhost_user
