// A served pool and its clients, good ones and others, with sandboxes made of nothing.
#include "api/pool_server.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "api/testing/fake_pool_source.h"
#include "cloche/pool_service.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class PoolServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    home = ::testing::TempDir() + "cloche-pool-XXXXXX";
    ASSERT_NE(::mkdtemp(home.data()), nullptr);
    std::filesystem::create_directories(run());
  }
  void TearDown() override {
    if (serving.joinable()) stop();
    std::filesystem::remove_all(home);
  }
  std::string run() const { return home + "/pools/web/run"; }
  void serve(PoolConfig config) {
    core = PoolCore::create(std::make_unique<FakeSource>(world), std::move(config)).value();
    server = PoolServer::create(core, run()).value();
    stopped = std::make_unique<EventFd>(EventFd::create().value());
    serving = std::thread([&] { EXPECT_TRUE(server->serve(stopped->fd())); });
  }
  void stop() {
    stopped->signal();
    serving.join();
    server.reset();
    EXPECT_TRUE(world.alive.empty());
  }
  template <typename Condition>
  void wait_until(Condition condition) {
    auto end = std::chrono::steady_clock::now() + 20s;
    while (!condition(core->status())) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      std::this_thread::sleep_for(1ms);
    }
  }
  void wait_for_waiting(uint32_t count) {
    wait_until([=](const PoolStatus& status) { return status.waiting == count; });
  }
  void wait_for_in_use(uint32_t count) {
    wait_until([=](const PoolStatus& status) { return status.count(PooledState::kInUse) == count; });
  }
  Fd connect() const {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (run() + "/control").copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return socket;
  }
  static void send(const Fd& socket, std::span<const std::byte> bytes) {
    EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  Fd connect_and_send(std::span<const std::byte> bytes) const {
    Fd socket = connect();
    send(socket, bytes);
    return socket;
  }
  // The server has closed, or answers with a refusal.
  static bool is_refused(const Fd& socket) {
    std::array<std::byte, wire::FrameHeader::kSize> raw;
    wire::FrameHeader header;
    if (read_full(socket.get(), raw).value_or(0) < raw.size()) return true;
    return wire::decode_header(raw, header) && static_cast<wire::PoolFrame>(header.type) == wire::PoolFrame::kRefused;
  }

  std::string home;
  FakeWorld world;
  std::shared_ptr<PoolCore> core;
  std::unique_ptr<PoolServer> server;
  std::unique_ptr<EventFd> stopped;
  std::thread serving;
};

TEST_F(PoolServerTest, AcquireReleaseStatus) {
  serve({.min = 0, .max = 2});
  PoolClient client("web", home);
  std::string first = client.acquire().value(), second = client.acquire().value();
  EXPECT_NE(first, second);
  auto late = client.acquire(10ms);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kTimeout);
  EXPECT_THAT(late.error().what, HasSubstr("pool web: no sandbox became free within 10 ms: 2 of 2 are in use"));
  PoolStatus status = client.status().value();
  EXPECT_EQ(status.max, 2u);
  ASSERT_EQ(status.sandboxes.size(), 2u);
  EXPECT_EQ(status.sandboxes[0].state, PooledState::kInUse);
  EXPECT_TRUE(client.release(first));
  auto again = client.release(first);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(again.error().what, HasSubstr("release " + first));
  EXPECT_EQ(client.release(std::string(1000, 'x')).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(client.acquire().value(), "name3");
}

TEST_F(PoolServerTest, NobodyServesIt) {
  EXPECT_EQ(PoolClient("web", home).status().error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(PoolClient("other", home).acquire().error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(PoolClient("../web", home).acquire().error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(home + "/pools/other"));
}

TEST_F(PoolServerTest, OnlyTheOwnerCanOpenIt) {
  serve({.min = 0, .max = 1});
  struct stat status{};
  ASSERT_EQ(::stat((run() + "/control").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(PoolServerTest, ALeaseEndsByItself) {
  serve({.min = 0, .max = 1, .between_users = BetweenUsers::kKeep});
  PoolClient client("web", home);
  std::string name = client.acquire(20s, 50ms).value();
  EXPECT_EQ(client.acquire(20s, 1h).value(), name);  // After the first lease. It is not ours for longer than that:
  EXPECT_TRUE(client.release(name));
  EXPECT_EQ(client.acquire(20s, 20s).value(), name);
  EXPECT_TRUE(client.release(name));
  EXPECT_EQ(client.acquire().value(), name);  // one without a lease has nothing of those before it.
}

TEST_F(PoolServerTest, WhoGoesWhileItWaitsTakesNothingAlong) {
  serve({.min = 0, .max = 1});
  PoolClient client("web", home);
  std::string held = client.acquire().value();
  for (int round = 0; round < 20; ++round) {
    Fd impatient = connect();
    send(impatient, wire::encode(wire::Acquire{.deadline_ms = 20'000}));
    wait_for_waiting(1);
    if (round % 2 == 0) {
      EXPECT_TRUE(client.release(held));
    }
    impatient.reset();
    wait_for_waiting(0);
    // Handed to it or not: it comes back.
    if (round % 2 == 0) held = client.acquire().value();
  }
  wait_for_in_use(1);
}

TEST_F(PoolServerTest, WrongRequestsHarmNobody) {
  serve({.min = 0, .max = 1});
  PoolClient client("web", home);
  auto status = wire::encode_pool(wire::PoolFrame::kStatus);
  {
    Fd half = connect();
    send(half, std::span(status).first(3));
    EXPECT_TRUE(client.status());  // It keeps nobody waiting.
  }
  Fd unknown = connect();
  send(unknown, wire::encode_pool(static_cast<wire::PoolFrame>(999)));
  EXPECT_TRUE(is_refused(unknown));
  Fd damaged = connect();
  wire::Writer text;
  text.put(uint32_t{0xffffffff});
  send(damaged, wire::encode_pool(wire::PoolFrame::kRelease, text));
  EXPECT_TRUE(is_refused(damaged));
  send(damaged, wire::encode_pool(wire::PoolFrame::kAcquire, text));  // On the same connection.
  EXPECT_TRUE(is_refused(connect_and_send(std::vector<std::byte>(4096, std::byte{0xff}))));
  wire::Writer large;
  large.put(std::string_view(std::string(10'000, 'x')));
  EXPECT_TRUE(is_refused(connect_and_send(wire::encode_pool(wire::PoolFrame::kRelease, large))));
  // A second request before the answer to the first is the end of that client.
  std::string held = client.acquire().value();
  Fd twice = connect();
  send(twice, wire::encode(wire::Acquire{.deadline_ms = 20'000}));
  send(twice, status);
  wait_for_waiting(1);
  twice.reset();
  wait_for_waiting(0);
  EXPECT_TRUE(client.release(held));
  EXPECT_TRUE(client.acquire());
}

TEST_F(PoolServerTest, ManyClientsAtOnce) {
  serve({.min = 1, .max = 3});
  std::mutex mutex;
  std::set<std::string> held;
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i)
    clients.emplace_back([&] {
      PoolClient client("web", home);
      for (int round = 0; round < 20; ++round) {
        std::string name = client.acquire().value();
        {
          std::lock_guard lock(mutex);
          EXPECT_TRUE(held.insert(name).second) << name << " is in two hands";
        }
        {
          std::lock_guard lock(mutex);
          held.erase(name);
        }
        EXPECT_TRUE(client.release(name));
      }
    });
  for (std::thread& each : clients) each.join();
  EXPECT_LE(world.most, 3u);
}

TEST_F(PoolServerTest, ItsEndIsToldToWhoWaits) {
  serve({.min = 0, .max = 1});
  PoolClient client("web", home);
  EXPECT_TRUE(client.acquire());
  std::thread waiter([&] {
    auto taken = client.acquire();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, ErrorCode::kUnavailable);
  });
  wait_for_waiting(1);
  stop();
  waiter.join();
  EXPECT_EQ(client.status().error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace cloche
