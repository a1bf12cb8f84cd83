// INIT, DESTROY, the device around the server, and read-only shares.
#include <sys/stat.h>

#include <functional>

#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

// A share whose client has not said INIT.
struct Silent {
  TempDir dir;
  std::unique_ptr<Fs> fs = Fs::create({.tag = "share"}, Node::host(path_fd(dir.path())), Log()).value();
  FuseClient client{*fs};
};

Bytes init_head(uint32_t major, uint32_t minor, uint32_t flags = ~0u) {
  uint32_t head[4] = {major, minor, 128 << 10, flags};
  return bytes_of(head);
}

TEST(Init, AgreesOnWhatBothCan) {
  Silent silent;
  fuse_init_out out = silent.client.init(FUSE_ASYNC_READ | FUSE_MAX_PAGES | FUSE_WRITEBACK_CACHE | FUSE_EXPORT_SUPPORT);
  EXPECT_EQ(out.major, 7u);
  EXPECT_EQ(out.minor, 38u);
  EXPECT_EQ(out.flags, static_cast<uint32_t>(FUSE_ASYNC_READ | FUSE_MAX_PAGES));
  EXPECT_EQ(out.max_write, 1u << 20);
  EXPECT_EQ(out.max_pages, 256u);
  EXPECT_EQ(out.max_readahead, 128u << 10);
  EXPECT_EQ(out.time_gran, 1u);
}

TEST(Init, TakesTheShortFormOfOlderKernels) {
  Silent silent;
  EXPECT_EQ(silent.client.call(FUSE_INIT, 0, init_head(7, 31)).as<fuse_init_out>().major, 7u);
  EXPECT_NE(silent.client.attributes(1).mode, 0u);
}

TEST(Init, RefusesProtocolsWeDoNotSpeak) {
  Silent silent;
  EXPECT_EQ(silent.client.call(FUSE_INIT, 0, init_head(7, 30)).error, EPROTO);
  EXPECT_EQ(silent.client.call(FUSE_INIT, 0, init_head(6, 99)).error, EPROTO);
  EXPECT_EQ(silent.client.call(FUSE_INIT, 0, Bytes(15)).error, EINVAL);
  EXPECT_EQ(silent.client.lookup(1, "x").error, EIO) << "not started by that";
}

TEST(Init, ANewerGuestLearnsOurVersionAndAsksAgain) {
  Silent silent;
  EXPECT_EQ(silent.client.call(FUSE_INIT, 0, init_head(8, 0)).as<fuse_init_out>().major, 7u);
  EXPECT_EQ(silent.client.lookup(1, "x").error, EIO);
  silent.client.init();
  EXPECT_EQ(silent.client.lookup(1, "x").error, 0);
}

TEST(Session, EndsWithDestroyResetAndANewInit) {
  Silent silent;
  silent.dir.write("file", "");
  auto& client = silent.client;
  std::vector<std::function<void()>> ends{[&] {
                                            EXPECT_EQ(client.call(FUSE_DESTROY, 0).error, 0);
                                            EXPECT_EQ(client.lookup(1, "file").error, EIO);
                                          },
                                          [&] {
                                            client.driver().reset();
                                            client.driver().start();
                                            EXPECT_EQ(client.lookup(1, "file").error, EIO);
                                          },
                                          [] {}};
  for (auto& end : ends) {
    client.init();
    uint64_t node = client.walk("file");
    uint64_t handle = client.open_handle(node, O_RDONLY);
    EXPECT_EQ(client.read({node, handle, 0}, 10).error, 0);
    end();
    client.init();
    EXPECT_EQ(client.call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{})).error, ENOENT);
    EXPECT_EQ(client.read({node, handle, 0}, 10).error, EBADF);
  }
}

TEST(Session, WhatWeDoNotDoIsEnosys) {
  SharedDir shared;
  for (uint32_t opcode :
       {0u, 7u, 19u, uint32_t{FUSE_ACCESS}, uint32_t{FUSE_BMAP}, uint32_t{FUSE_POLL}, 52u, 4096u, ~0u}) {
    EXPECT_EQ(shared.client.call(opcode, 1, Bytes(200)).error, ENOSYS) << opcode;
  }
}

TEST(Session, AnInterruptHasNoReply) {
  SharedDir shared;
  auto reply =
      shared.client.driver().send(0, shared.client.request(FUSE_INTERRUPT, 0, bytes_of(fuse_interrupt_in{5})), 64);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->used, 0u);
}

TEST(Device, ConfigIsTheTagAndOneRequestQueue) {
  SharedDir shared({.tag = "a-tag"});
  const Fs& fs = *shared.share.fs;
  EXPECT_EQ(fs.id(), 26u);
  EXPECT_EQ(fs.queue_sizes().size(), 2u);
  std::array<char, 48> config;
  config.fill('x');
  fs.read_config(0, std::as_writable_bytes(std::span(config)));
  EXPECT_EQ(std::string(config.data(), 36), std::string("a-tag") + std::string(31, '\0'));
  EXPECT_EQ(std::string(config.data() + 36, 12), std::string("\1\0\0\0\0\0\0\0\0\0\0\0", 12));
  std::array<std::byte, 8> past;
  past.fill(std::byte{1});
  fs.read_config(~0ull - 3, past);
  EXPECT_EQ(past, (std::array<std::byte, 8>{}));
}

TEST(Device, ManyRequestsInOneKickAreAllServed) {
  SharedDir shared;
  auto& ring = shared.client.driver().ring(1);
  for (int i = 0; i < 200; ++i) ring.add({.readable = {shared.client.request(FUSE_STATFS, 1, {})}, .writable = {200}});
  ASSERT_TRUE(shared.client.driver().kick(1));
  EXPECT_EQ(shared.client.driver().collect(1).size(), 200u);
}

TEST(Device, ABrokenQueueFaultsIt) {
  SharedDir shared;
  auto& driver = shared.client.driver();
  driver.ring(1).describe(3, {.address = ~0ull, .length = 100, .flags = 0, .next = 0});
  driver.ring(1).publish(3);
  driver.kick(1);
  EXPECT_TRUE(driver.faulted());
}

TEST(ReadOnly, EveryChangeIsRefusedBeforeItReachesTheHost) {
  SharedDir shared({.tag = "share", .read_only = true});
  auto& client = shared.client;
  shared.dir.write("file", "data");
  std::filesystem::create_directory(shared.dir.path("dir"));
  auto before = std::filesystem::last_write_time(shared.dir.path());
  uint64_t node = client.walk("file");
  uint64_t handle = client.open_handle(node, O_RDONLY);
  uint32_t xattr[2] = {1, 0};
  fuse_write_in write{};
  write.fh = handle;
  write.size = 1;
  fuse_copy_file_range_in copy{};
  copy.fh_in = copy.fh_out = handle;
  copy.len = 1;
  std::map<uint32_t, Bytes> changes{
      {FUSE_SETATTR, bytes_of(fuse_setattr_in{})},
      {FUSE_SYMLINK, text("x") + text("y")},
      {FUSE_MKNOD, bytes_of(fuse_mknod_in{S_IFREG | 0600, 0, 0, 0}) + text("x")},
      {FUSE_MKDIR, bytes_of(fuse_mkdir_in{0700, 0}) + text("x")},
      {FUSE_UNLINK, text("file")},
      {FUSE_RMDIR, text("dir")},
      {FUSE_RENAME, bytes_of(fuse_rename_in{1}) + text("file") + text("x")},
      {FUSE_RENAME2, bytes_of(fuse_rename2_in{1, 0, 0}) + text("file") + text("x")},
      {FUSE_LINK, bytes_of(fuse_link_in{node}) + text("x")},
      {FUSE_WRITE, bytes_of(write) + raw("x")},
      {FUSE_SETXATTR, bytes_of(xattr) + text("user.x") + raw("x")},
      {FUSE_REMOVEXATTR, text("user.x")},
      {FUSE_CREATE, bytes_of(fuse_create_in{O_RDWR, 0600, 0, 0}) + text("x")},
      {FUSE_FALLOCATE, bytes_of(fuse_fallocate_in{handle, 0, 100, 0, 0})},
      {FUSE_COPY_FILE_RANGE, bytes_of(copy)},
  };
  for (auto& [opcode, body] : changes) EXPECT_EQ(client.call(opcode, 1, body).error, EROFS) << opcode;
  for (uint32_t flags : {O_WRONLY, O_RDWR, O_ACCMODE, O_RDONLY | O_TRUNC}) {
    EXPECT_EQ(client.open(node, flags).error, EROFS) << flags;
  }
  EXPECT_EQ(shared.dir.read("file"), "data");
  EXPECT_EQ(std::filesystem::last_write_time(shared.dir.path()), before);
  fuse_fsync_in sync{};
  sync.fh = handle;
  EXPECT_EQ(client.call(FUSE_FSYNC, node, bytes_of(sync)).error, 0);
  EXPECT_EQ(client.call(FUSE_SYNCFS, 1, Bytes(8)).error, 0);
  EXPECT_EQ(client.call(FUSE_OPENDIR, 1, bytes_of(fuse_open_in{})).as<fuse_open_out>().open_flags,
            static_cast<uint32_t>(FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE));
}

}  // namespace
}  // namespace cloche::fs
