// The guest's programs and the host's UNIX sockets: only those beneath the directories that it may use.
#include "devices/vsock/tsi_unix.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "devices/vsock/testing/tsi_test.h"

namespace cloche::vsock {
namespace {

class TsiUnixTest : public TsiTest {
 protected:
  TsiUnixTest() {
    char made[] = "/tmp/tsi_unix_test_XXXXXX";
    top_ = ::mkdtemp(made);
    std::filesystem::create_directories(top_ + "/in/deep");
    std::filesystem::create_directories(top_ + "/out");
    begin(allowing(top_ + "/in"));
  }
  ~TsiUnixTest() override { std::filesystem::remove_all(top_); }

  static TsiOptions allowing(const std::string& path) {
    TsiOptions options;
    options.directories.push_back({path, Fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))});
    return options;
  }
  static Fd serve(const std::string& path, int type = SOCK_STREAM) {
    Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << path;
    EXPECT_TRUE(type != SOCK_STREAM || ::listen(socket.get(), 8) == 0);
    return socket;
  }
  static Fd client(const std::string& path) {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return {};
    return socket;
  }
  std::optional<int> connect_path(const std::string& path) {
    create(2000, AF_UNIX);
    return connect_to(2000, unix_bytes(path));
  }
  std::optional<int> listen_path(uint32_t port, const std::string& path) {
    create(port, AF_UNIX);
    return listen_at(port, unix_bytes(path));
  }
  std::string top_;
};

TEST_F(TsiUnixTest, ConnectsBeneathTheDirectory) {
  Fd server = serve(top_ + "/in/deep/socket");
  ASSERT_EQ(connect_path(top_ + "/in/deep/socket"), 0);
  auto& stream = fetch_stream(2000);
  ASSERT_TRUE(stream.established);
  Fd peer(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
  guest_.write(stream, bytes_from("hello"));
  guest_.settle();
  EXPECT_EQ(read_now(peer.get()), bytes_from("hello"));
}

TEST_F(TsiUnixTest, NothingElseIsWithinReach) {
  Fd outside = serve(top_ + "/out/socket");
  std::filesystem::create_symlink(top_ + "/out/socket", top_ + "/in/link");
  std::filesystem::create_symlink("../out", top_ + "/in/directory");
  std::filesystem::create_symlink(top_ + "/out", top_ + "/in/absolute");
  for (const char* path : {"/out/socket", "/in/../out/socket", "/in/link", "/in/directory/socket",
                           "/in/absolute/socket", "/in/deep/../../out/socket", "/inside/socket", "/in", "/in/", "/"})
    EXPECT_EQ(connect_path(top_ + path), -EACCES) << path;
  EXPECT_EQ(connect_path("out/socket"), -EACCES);
  EXPECT_EQ(connect_path(top_ + "/in/none"), -ENOENT);
  std::ofstream(top_ + "/in/file") << "a file";
  EXPECT_EQ(connect_path(top_ + "/in/file"), -ECONNREFUSED);
  EXPECT_LT(::accept4(outside.get(), nullptr, nullptr, SOCK_CLOEXEC), 0);
}

TEST_F(TsiUnixTest, AbstractNamesAreTheWholeHostsOnly) {
  std::string name = std::string(1, '\0') + "cloche-tsi-test";
  Fd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path, name.size());
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(server.get(), 8), 0);
  create(2000, AF_UNIX);
  EXPECT_EQ(connect_to(2000, bytes_of_address(&address, size)), -EACCES);
  begin(allowing("/"));
  create(2000, AF_UNIX);
  EXPECT_EQ(connect_to(2000, bytes_of_address(&address, size)), 0);
}

TEST_F(TsiUnixTest, ListensWhereItMay) {
  std::string path = top_ + "/in/server";
  ASSERT_EQ(listen_path(2000, path), 0);
  guest_.listen(2000);
  Fd caller = client(path);
  ASSERT_TRUE(caller);
  EXPECT_EQ(accept_at(2000), 0);
  write_now(caller.get(), bytes_from("hello"));
  guest_.settle();
  EXPECT_EQ(guest_.accepted(2000)->received, bytes_from("hello"));
  release(2000);
  EXPECT_FALSE(std::filesystem::exists(path)) << "its name goes with it";
}

TEST_F(TsiUnixTest, ListensNowhereElse) {
  std::filesystem::create_symlink("../out", top_ + "/in/directory");
  for (const char* path : {"/out/server", "/in/../out/server", "/in/directory/server"})
    EXPECT_EQ(listen_path(2000, top_ + path), -EPERM) << path;
  EXPECT_EQ(listen_path(2000, top_ + "/in/.."), -EINVAL);
  EXPECT_TRUE(std::filesystem::is_empty(top_ + "/out"));
}

TEST_F(TsiUnixTest, TakesOverASocketThatNobodyServesAndNoOther) {
  std::string stale = top_ + "/in/stale", served = top_ + "/in/served", file = top_ + "/in/file";
  serve(stale);
  EXPECT_EQ(listen_path(2000, stale), 0);
  Fd server = serve(served);
  EXPECT_EQ(listen_path(2001, served), -EADDRINUSE);
  EXPECT_TRUE(client(served));
  std::ofstream(file) << "a file";
  EXPECT_EQ(listen_path(2001, file), -EADDRINUSE);
  EXPECT_TRUE(std::filesystem::is_regular_file(file));
}

TEST_F(TsiUnixTest, SendsDatagramsBeneathTheDirectory) {
  Fd inside = serve(top_ + "/in/log", SOCK_DGRAM), outside = serve(top_ + "/out/log", SOCK_DGRAM);
  create(2000, AF_UNIX, SOCK_DGRAM);
  for (const char* path : {"/in/log", "/out/log"}) {
    say(TsiQuestion::kSendTo, TsiConnect{.port = 2000, .address = unix_bytes(top_ + path)});
    say_bytes(static_cast<uint32_t>(TsiQuestion::kData), 2000, bytes_from("line"));
  }
  EXPECT_EQ(read_now(inside.get(), 4), bytes_from("line"));
  EXPECT_FALSE(readable_now(outside.get()));
}

TEST_F(TsiUnixTest, LinksAreFollowedWhereTheWholeHostIsTheGuests) {
  begin(allowing("/"));
  Fd server = serve(top_ + "/out/socket");
  std::filesystem::create_symlink(top_ + "/out/socket", top_ + "/in/link");
  EXPECT_EQ(connect_path(top_ + "/in/link"), 0);
}

}  // namespace
}  // namespace cloche::vsock
