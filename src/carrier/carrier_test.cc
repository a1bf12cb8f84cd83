#include "carrier/carrier.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/private_files.h"
#include "carrier/link.h"
#include "carrier/state.h"

namespace cloche::carrier {
namespace {

// A machine as a caller sees one: written down, alive, and heard at its port on a thread of its own. The first
// connections are reset, as the host's kernel does with more than QEMU has room for; a command gets the code 7.
class Machine {
 public:
  explicit Machine(int resets)
      : state_(StateDirectory::open(Kind::kNormal).value()), life_(state_.take_life().value()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* where = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_.get(), where, size), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener_.get(), where, &size), 0);
    EXPECT_TRUE(state_.make_token());
    write("record", encode(Record{.pid = ::getpid(), .port = ntohs(address.sin_port), .memory_mib = 1}));
    write("console.log", "cloche-machine: ready\n");
    thread_ = std::thread([this, resets] { serve(resets); });
  }
  ~Machine() {
    ::shutdown(listener_.get(), SHUT_RDWR);  // Wakes accept().
    thread_.join();
  }

  int connections() const { return connections_; }

 private:
  void write(const char* name, std::string_view text) {
    EXPECT_TRUE(write_private_file(state_.path(name), std::as_bytes(std::span(text))));
  }

  void serve(int resets) {
    for (;;) {
      Fd caller(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!caller) return;
      if (connections_++ >= resets) return answer(std::move(caller));
      linger at_once{.l_onoff = 1, .l_linger = 0};  // So that closing it is a reset.
      ::setsockopt(caller.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
  }

  static void answer(Fd caller) {
    Link link = Link::create(std::move(caller)).value();
    link.trust();
    for (bool asked = false; !asked;) {
      auto message = link.next().value();
      asked = message && message->header.type == MessageType::kRequest;
      if (!message && !link.fill().value()) return;
    }
    link.send(MessageType::kAccepted);
    link.send(MessageType::kExited, encode(Exited{.value = 7, .what = {}}));
    EXPECT_TRUE(link.flush_all().has_value());
    while (link.fill().value_or(false)) ::usleep(1000);  // The caller closes first, so that nothing is lost.
  }

  StateDirectory state_;
  Fd life_;
  Fd listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

class CarrierTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = testing::TempDir() + "/carrier-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    runtime_ = path;
    ::setenv("XDG_RUNTIME_DIR", path.c_str(), 1);
    ::unsetenv("CLOCHE_IN_MACHINE");
  }
  void TearDown() override { std::filesystem::remove_all(runtime_); }

  std::string runtime_;
};

TEST_F(CarrierTest, AConnectionThatIsResetIsMadeAgain) {
  Machine machine(3);
  auto end = exec({}, {"true"});
  ASSERT_TRUE(end.has_value()) << end.error().what;
  EXPECT_EQ(end->value, 7);
  EXPECT_EQ(machine.connections(), 4);
}

}  // namespace
}  // namespace cloche::carrier
