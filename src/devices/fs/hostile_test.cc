// What a hostile guest, or somebody on the host who changes the share meanwhile, can try. Whatever it is, nothing
// outside the share is reached, nothing but regular files and directories is opened, and the device goes on.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

const std::vector<std::string> kBadNames{"", ".", "..", "/", "a/b", "../x", "/etc/passwd", "sub/..", "x/"};

TEST(HostileNames, AreRefusedByEveryRequestThatTakesOne) {
  SharedDir shared;
  shared.dir.write("file", "x");
  uint64_t node = shared.client.walk("file");
  std::map<uint32_t, std::function<Bytes(const Bytes&)>> requests{
      {FUSE_LOOKUP, [](const Bytes& n) { return n; }},
      {FUSE_UNLINK, [](const Bytes& n) { return n; }},
      {FUSE_RMDIR, [](const Bytes& n) { return n; }},
      {FUSE_SYMLINK, [](const Bytes& n) { return n + text("target"); }},
      {FUSE_MKNOD, [](const Bytes& n) { return bytes_of(fuse_mknod_in{S_IFREG | 0600, 0, 0, 0}) + n; }},
      {FUSE_MKDIR, [](const Bytes& n) { return bytes_of(fuse_mkdir_in{0700, 0}) + n; }},
      {FUSE_CREATE, [](const Bytes& n) { return bytes_of(fuse_create_in{O_RDWR, 0600, 0, 0}) + n; }},
      {FUSE_LINK, [=](const Bytes& n) { return bytes_of(fuse_link_in{node}) + n; }},
      {FUSE_RENAME, [](const Bytes& n) { return bytes_of(fuse_rename_in{1}) + n + text("to"); }},
      {FUSE_RENAME2, [](const Bytes& n) { return bytes_of(fuse_rename2_in{1, 0, 0}) + text("file") + n; }},
  };
  for (auto& [opcode, body] : requests) {
    for (const std::string& name : kBadNames) {
      EXPECT_EQ(shared.client.call(opcode, 1, body(text(name))).error, EINVAL) << opcode << " " << name;
    }
    EXPECT_EQ(shared.client.call(opcode, 1, body(text(std::string(256, 'x')))).error, ENAMETOOLONG) << opcode;
    EXPECT_EQ(shared.client.call(opcode, 1, body(text(std::string("fi\0le", 5)))).error, EINVAL) << opcode;
    EXPECT_EQ(shared.client.call(opcode, 1, body({})).error, EINVAL) << opcode;
  }
  EXPECT_EQ(shared.client.call(FUSE_LOOKUP, 1, raw("file")).error, EINVAL) << "no NUL";
  EXPECT_EQ(shared.client.list(1).size(), 3u) << "nothing was made";
}

TEST(HostileSymlinks, LeadNowhere) {
  SharedDir shared;
  TempDir outside;
  outside.write("secret", "secret");
  std::filesystem::create_symlink(outside.path(), shared.dir.path("dir"));
  std::filesystem::create_symlink(outside.path("secret"), shared.dir.path("file"));
  uint64_t dir = shared.client.walk("dir"), file = shared.client.walk("file");
  EXPECT_EQ(shared.client.lookup(dir, "secret").error, ENOTDIR);
  EXPECT_EQ(shared.client.create(dir, "new", O_RDWR, 0600).error, ENOTDIR);
  EXPECT_EQ(shared.client.call(FUSE_UNLINK, dir, text("secret")).error, ENOTDIR);
  EXPECT_EQ(shared.client.call(FUSE_OPENDIR, dir, bytes_of(fuse_open_in{})).error, ENOTDIR);
  EXPECT_EQ(shared.client.open(file, O_RDONLY).error, ELOOP);
  EXPECT_EQ(shared.client.open(file, O_WRONLY | O_TRUNC).error, ELOOP);
  EXPECT_EQ(outside.read("secret"), "secret");
}

TEST(HostileSymlinks, PutInPlaceOfAKnownDirectoryChangeNothing) {
  SharedDir shared;
  TempDir outside;
  outside.write("name", "outside");
  std::filesystem::create_directory(shared.dir.path("dir"));
  shared.dir.write("dir/name", "inside");
  uint64_t dir = shared.client.walk("dir");
  uint64_t file = shared.client.walk("dir/name");
  std::filesystem::rename(shared.dir.path("dir"), shared.dir.path("moved"));
  std::filesystem::create_symlink(outside.path(), shared.dir.path("dir"));
  EXPECT_EQ(shared.client.lookup(dir, "name").as<fuse_entry_out>().nodeid, file);
  EXPECT_EQ(shared.client.contents(file), "inside");
  EXPECT_EQ(shared.client.create(dir, "new", O_RDWR, 0600).error, 0);
  EXPECT_TRUE(std::filesystem::exists(shared.dir.path("moved/new")));
  EXPECT_FALSE(std::filesystem::exists(outside.path("new")));
}

TEST(HostileSymlinks, SwappedInWhileWeLook) {
  SharedDir shared;
  TempDir outside;
  outside.write("name", "outside");
  std::filesystem::create_directory(shared.dir.path("dir"));
  shared.dir.write("dir/name", "inside");
  std::filesystem::create_symlink(outside.path(), shared.dir.path("link"));
  std::atomic<bool> stop = false;
  std::jthread swapper([&] {
    while (!stop) {
      ::renameat2(AT_FDCWD, shared.dir.path("dir").c_str(), AT_FDCWD, shared.dir.path("link").c_str(), RENAME_EXCHANGE);
    }
  });
  int found = 0;
  for (int i = 0; i < 2'000; ++i) {
    uint64_t dir = shared.client.walk("dir");
    ASSERT_NE(dir, 0u);
    Answer answer = shared.client.lookup(dir, "name");
    if (answer.error == ENOTDIR) continue;
    ASSERT_EQ(answer.error, 0);
    ++found;
    ASSERT_EQ(shared.client.contents(answer.as<fuse_entry_out>().nodeid), "inside");
  }
  stop = true;
  EXPECT_GT(found, 0);
}

TEST(HostileFiles, SpecialOnesAreNeverOpened) {
  SharedDir shared;
  ASSERT_EQ(::mkfifo(shared.dir.path("fifo").c_str(), 0666), 0);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  shared.dir.path("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  std::vector<std::string> names{"fifo", "socket"};
  if (is_root() && ::mknod(shared.dir.path("device").c_str(), S_IFCHR | 0666, 0x103) == 0) names.push_back("device");
  for (const std::string& name : names) {
    uint64_t node = shared.client.walk(name);
    ASSERT_NE(node, 0u) << name;
    for (uint32_t flags : {O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_RDONLY | O_DIRECTORY, O_RDONLY | O_PATH}) {
      EXPECT_EQ(shared.client.open(node, flags).error, EACCES) << name << " " << flags;
    }
    EXPECT_EQ(shared.client.call(FUSE_OPENDIR, node, bytes_of(fuse_open_in{})).error, ENOTDIR);
    fuse_setattr_in in{};
    in.valid = FATTR_SIZE;
    EXPECT_EQ(shared.client.setattr(node, in).error, EINVAL);
  }
}

TEST(HostileIds, AreAnswered) {
  SharedDir shared;
  std::vector<std::pair<uint32_t, Bytes>> by_node{{FUSE_GETATTR, bytes_of(fuse_getattr_in{})},
                                                  {FUSE_SETATTR, bytes_of(fuse_setattr_in{})},
                                                  {FUSE_LOOKUP, text("x")},
                                                  {FUSE_READLINK, {}},
                                                  {FUSE_OPEN, bytes_of(fuse_open_in{})},
                                                  {FUSE_OPENDIR, bytes_of(fuse_open_in{})},
                                                  {FUSE_UNLINK, text("x")},
                                                  {FUSE_LISTXATTR, bytes_of(fuse_getxattr_in{})},
                                                  {FUSE_STATFS, {}}};
  std::vector<std::pair<uint32_t, size_t>> by_handle{{FUSE_READ, sizeof(fuse_read_in)},
                                                     {FUSE_WRITE, sizeof(fuse_write_in)},
                                                     {FUSE_FLUSH, sizeof(fuse_flush_in)},
                                                     {FUSE_RELEASE, sizeof(fuse_release_in)},
                                                     {FUSE_FSYNC, sizeof(fuse_fsync_in)},
                                                     {FUSE_FSYNCDIR, sizeof(fuse_fsync_in)},
                                                     {FUSE_READDIR, sizeof(fuse_read_in)},
                                                     {FUSE_READDIRPLUS, sizeof(fuse_read_in)},
                                                     {FUSE_RELEASEDIR, sizeof(fuse_release_in)},
                                                     {FUSE_FALLOCATE, sizeof(fuse_fallocate_in)},
                                                     {FUSE_COPY_FILE_RANGE, sizeof(fuse_copy_file_range_in)}};
  for (uint64_t id : {uint64_t{0}, uint64_t{2}, uint64_t{1} << 32, ~uint64_t{0}}) {
    for (auto& [opcode, body] : by_node) EXPECT_EQ(shared.client.call(opcode, id, body).error, ENOENT) << opcode;
    for (auto& [opcode, size] : by_handle) {
      Bytes body(size);
      std::memcpy(body.data(), &id, sizeof id);
      EXPECT_EQ(shared.client.call(opcode, 1, body).error, EBADF) << opcode;
    }
  }
}

class HostileLength : public testing::Test {
 protected:
  Bytes lookup_with_length(uint32_t length) {
    Bytes request = shared.client.request(FUSE_LOOKUP, 1, text("file"));
    std::memcpy(request.data(), &length, sizeof length);
    return request;
  }
  SharedDir shared;
};

TEST_F(HostileLength, MustBeTheChains) {
  for (uint32_t length : {0u, 39u, 40u, 44u, 46u, 1u << 20, ~0u}) {
    EXPECT_EQ(shared.client.send({.readable = {lookup_with_length(length)}, .writable = {200}}).error, EINVAL)
        << length;
  }
  EXPECT_EQ(shared.client.send({.readable = {lookup_with_length(45)}, .writable = {200}}).error, 0);
}

TEST_F(HostileLength, AHeaderMayBeSplitAnyhow) {
  Bytes request = lookup_with_length(45);
  virtio::FakeRequest chain;
  for (std::byte byte : request) chain.readable.push_back({byte});
  chain.writable.assign(200, 1);
  EXPECT_EQ(shared.client.send(chain).error, 0);
}

TEST_F(HostileLength, WithoutAHeaderThereIsNoReply) {
  for (size_t size : {1u, 39u}) {
    auto reply = shared.client.driver().send(1, Bytes(size), 200);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->used, 0u);
  }
  auto reply = shared.client.driver().send(1, Bytes(), 200);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->used, 0u);
}

TEST_F(HostileLength, WithoutRoomForAReplyNothingIsDone) {
  Bytes mkdir = bytes_of(fuse_mkdir_in{0700, 0}) + text("made");
  for (uint32_t room : {0u, 1u, 15u}) {
    auto reply = shared.client.driver().send(1, shared.client.request(FUSE_MKDIR, 1, mkdir), room);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->used, 0u);
  }
  for (uint32_t room : {16u, 17u, 16u + 127}) EXPECT_EQ(shared.client.call(FUSE_MKDIR, 1, mkdir, room).error, EINVAL);
  EXPECT_FALSE(std::filesystem::exists(shared.dir.path("made")));
  EXPECT_EQ(shared.client.call(FUSE_MKDIR, 1, mkdir, 16 + 128).error, 0);
}

TEST_F(HostileLength, OfABodyTooShortTooLongOrHuge) {
  EXPECT_EQ(shared.client.call(FUSE_GETATTR, 1, Bytes(15)).error, EINVAL);
  EXPECT_EQ(shared.client.call(FUSE_GETATTR, 1, Bytes(17)).error, EINVAL);
  EXPECT_EQ(shared.client.call(FUSE_LOOKUP, 1, text("file") + text("more")).error, EINVAL);
  EXPECT_EQ(shared.client.call(FUSE_LOOKUP, 1, text(std::string(1 << 20, 'x'))).error, EINVAL);
  EXPECT_EQ(shared.client.call(FUSE_READ, 1, Bytes(39)).error, EINVAL);
  EXPECT_EQ(shared.client.call(FUSE_WRITE, 1, Bytes(39)).error, EINVAL);
  fuse_batch_forget_in in{1'000'000, 0};
  auto reply =
      shared.client.driver().send(0, shared.client.request(FUSE_BATCH_FORGET, 0, bytes_of(in) + Bytes(1 << 20)));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->used, 0u);
}

// Random requests, plausible enough to get past the checks often. SYNCFS and FALLOCATE are left out: they are harmless
// to us and hard on the machine that runs the test.
TEST(HostileBytes, SeededRandomRequests) {
  SharedDir shared;
  for (const char* name : {"a", "b", "c"}) shared.dir.write(name, "contents");
  std::filesystem::create_directory(shared.dir.path("d"));
  std::mt19937 random(20240607);
  auto pick = [&](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
  for (int i = 0; i < 20'000; ++i) {
    if (i % 500 == 0) {
      shared.client.init();
      for (const char* name : {"a", "b", "c", "d"}) shared.client.lookup(1, name);
      shared.client.open_directory(1);
    }
    uint32_t opcode = pick(8) == 0 ? pick(~0u) : pick(53);
    if (opcode == FUSE_SYNCFS || opcode == FUSE_FALLOCATE) continue;
    Bytes body(pick(3) == 0 ? pick(300) : 8 * pick(12));
    for (std::byte& byte : body)
      byte = pick(2) == 0 ? std::byte{0} : static_cast<std::byte>(pick(pick(2) == 0 ? 12 : 256));
    if (pick(2) == 0) body = std::move(body) + text(std::string(1 + pick(2), static_cast<char>('a' + pick(6))));
    if (pick(4) == 0) body = std::move(body) + text("b");
    virtio::FakeRequest chain{
        .readable = {shared.client.request(opcode, pick(40) * (pick(9) == 0 ? random() : 1), body)}, .writable = {}};
    if (pick(10) == 0) std::memcpy(chain.readable[0].data(), &i, sizeof i);
    if (pick(10) != 0) chain.writable = {16 + pick(5000)};
    ASSERT_TRUE(shared.client.driver().send(pick(2), chain)) << i;
    ASSERT_FALSE(shared.client.driver().faulted());
  }
}

}  // namespace
}  // namespace cloche::fs
