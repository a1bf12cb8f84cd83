// The guest's half of FUSE for tests: builds raw requests, sends them through a fake driver, and takes replies apart.
// Every reply's header is checked on the way (length, unique).
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "devices/fs/fs.h"
#include "virtio/testing/fake_driver.h"

namespace cloche::fs {

using virtio::Bytes;
using virtio::bytes_of;

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}
// A string with its NUL, and without.
inline Bytes text(std::string_view string) {
  auto bytes = std::as_bytes(std::span(string));
  Bytes out(bytes.begin(), bytes.end());
  out.push_back(std::byte{0});
  return out;
}
inline Bytes raw(std::string_view string) {
  auto bytes = std::as_bytes(std::span(string));
  return Bytes(bytes.begin(), bytes.end());
}
inline std::string string_of(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

struct Answer {
  bool replied = false;  // False: the chain came back with nothing written.
  int error = 0;         // As errno, positive.
  Bytes body;
  template <typename T>
  T as(size_t offset = 0) const {
    T value{};
    EXPECT_LE(offset + sizeof value, body.size());
    if (offset + sizeof value <= body.size()) std::memcpy(&value, body.data() + offset, sizeof value);
    return value;
  }
};

struct DirectoryEntry {
  std::string name;
  uint64_t offset = 0;
  uint64_t number = 0;
  uint32_t type = 0;
  fuse_entry_out entry{};  // Of READDIRPLUS.
};

// An open file or directory and a place in it.
struct At {
  uint64_t node = 0, handle = 0, offset = 0;
};

// The entries of a READDIR or READDIRPLUS reply.
inline std::vector<DirectoryEntry> entries_of(const Bytes& page, uint32_t opcode = FUSE_READDIR) {
  std::vector<DirectoryEntry> all;
  for (size_t at = 0; at < page.size();) {
    DirectoryEntry one;
    size_t start = at;
    if (opcode == FUSE_READDIRPLUS) {
      std::memcpy(&one.entry, page.data() + at, sizeof one.entry);
      at += sizeof one.entry;
    }
    fuse_dirent head{};
    constexpr size_t kHead = offsetof(fuse_dirent, name);
    std::memcpy(&head, page.data() + at, kHead);
    EXPECT_LE(at + kHead + head.namelen, page.size());
    if (at + kHead + head.namelen > page.size()) return all;
    one.name.assign(reinterpret_cast<const char*>(page.data() + at + kHead), head.namelen);
    one.offset = head.off;
    one.number = head.ino;
    one.type = head.type;
    at = start + FUSE_REC_ALIGN(at - start + kHead + head.namelen);
    all.push_back(std::move(one));
  }
  return all;
}

class FuseClient {
 public:
  static constexpr unsigned kHighPriority = 0, kRequests = 1;
  static constexpr uint32_t kRoom = 8192;  // Writable bytes of a reply where nothing else is said.

  explicit FuseClient(Fs& fs) : driver_(fs) {}

  virtio::FakeDriver& driver() { return driver_; }
  uint32_t uid = 0, gid = 0;  // Who asks.

  Bytes request(uint32_t opcode, uint64_t node, const Bytes& body) {
    fuse_in_header header{};
    header.len = static_cast<uint32_t>(sizeof header + body.size());
    header.opcode = opcode;
    header.unique = ++unique_;
    header.nodeid = node;
    header.uid = uid;
    header.gid = gid;
    return bytes_of(header) + body;
  }
  Answer call(uint32_t opcode, uint64_t node, const Bytes& body = {}, uint32_t room = kRoom) {
    return send({.readable = {request(opcode, node, body)}, .writable = {room}});
  }
  // Any chain; the reply is checked against the unique of the last request() built.
  Answer send(const virtio::FakeRequest& request) {
    auto reply = driver_.send(kRequests, request);
    EXPECT_TRUE(reply) << "the device kept a chain or faulted";
    if (!reply || reply->used == 0) return {};
    fuse_out_header header{};
    EXPECT_GE(reply->bytes.size(), sizeof header);
    std::memcpy(&header, reply->bytes.data(), sizeof header);
    EXPECT_EQ(header.len, reply->used);
    EXPECT_EQ(header.len, reply->bytes.size());
    EXPECT_EQ(header.unique, unique_);
    EXPECT_LE(header.error, 0);
    return {true, -header.error, Bytes(reply->bytes.begin() + sizeof header, reply->bytes.end())};
  }

  fuse_init_out init(uint32_t flags = ~0u) {
    fuse_init_in in{};
    in.major = 7;
    in.minor = 38;
    in.max_readahead = 128 << 10;
    in.flags = flags;
    Answer answer = call(FUSE_INIT, 0, bytes_of(in));
    EXPECT_EQ(answer.error, 0);
    return answer.as<fuse_init_out>();
  }

  Answer lookup(uint64_t parent, std::string_view name) { return call(FUSE_LOOKUP, parent, text(name)); }
  // The node at a path of components below the root; 0 when something on the way is missing.
  uint64_t walk(const std::string& path) {
    uint64_t node = FUSE_ROOT_ID;
    for (const auto& part : std::filesystem::path(path)) {
      Answer answer = lookup(node, part.string());
      if (answer.error != 0) return 0;
      node = answer.as<fuse_entry_out>().nodeid;
    }
    return node;
  }
  fuse_attr attributes(uint64_t node) {
    Answer answer = call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{}));
    EXPECT_EQ(answer.error, 0);
    return answer.as<fuse_attr_out>().attr;
  }
  void forget(uint64_t node, uint64_t count, unsigned queue = kHighPriority) {
    Bytes bytes = request(FUSE_FORGET, node, bytes_of(fuse_forget_in{count}));
    auto reply = driver_.send(queue, bytes);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->used, 0u);
  }

  Answer open(uint64_t node, uint32_t flags) { return call(FUSE_OPEN, node, bytes_of(fuse_open_in{flags, 0})); }
  uint64_t open_handle(uint64_t node, uint32_t flags) {
    Answer answer = open(node, flags);
    EXPECT_EQ(answer.error, 0) << std::strerror(answer.error);
    return answer.as<fuse_open_out>().fh;
  }
  uint64_t open_directory(uint64_t node) {
    Answer answer = call(FUSE_OPENDIR, node, bytes_of(fuse_open_in{}));
    EXPECT_EQ(answer.error, 0) << std::strerror(answer.error);
    return answer.as<fuse_open_out>().fh;
  }
  Answer create(uint64_t parent, std::string_view name, uint32_t flags, uint32_t mode) {
    return call(FUSE_CREATE, parent, bytes_of(fuse_create_in{flags, mode, 0, 0}) + text(name));
  }
  Answer read(At at, uint32_t size) {
    fuse_read_in in{};
    in.fh = at.handle;
    in.offset = at.offset;
    in.size = size;
    return call(FUSE_READ, at.node, bytes_of(in), static_cast<uint32_t>(sizeof(fuse_out_header) + size));
  }
  std::string contents(uint64_t node) {
    uint64_t handle = open_handle(node, O_RDONLY);
    std::string all = string_of(read({node, handle, 0}, 1 << 16).body);
    release(node, handle);
    return all;
  }
  Answer write(At at, std::string_view data, uint32_t flags = 0, uint32_t write_flags = 0) {
    fuse_write_in in{};
    in.fh = at.handle;
    in.offset = at.offset;
    in.size = static_cast<uint32_t>(data.size());
    in.flags = flags;
    in.write_flags = write_flags;
    return call(FUSE_WRITE, at.node, bytes_of(in) + raw(data));
  }
  Answer release(uint64_t node, uint64_t handle, uint32_t opcode = FUSE_RELEASE) {
    fuse_release_in in{};
    in.fh = handle;
    return call(opcode, node, bytes_of(in));
  }
  Answer setattr(uint64_t node, const fuse_setattr_in& in) { return call(FUSE_SETATTR, node, bytes_of(in)); }

  Answer read_page(At at, uint32_t size, uint32_t opcode = FUSE_READDIR) {
    fuse_read_in in{};
    in.fh = at.handle;
    in.offset = at.offset;
    in.size = size;
    return call(opcode, at.node, bytes_of(in), static_cast<uint32_t>(sizeof(fuse_out_header) + size));
  }
  // A whole directory, page by page.
  std::vector<DirectoryEntry> list(uint64_t node, uint32_t opcode = FUSE_READDIR, uint32_t page_size = 4096) {
    uint64_t handle = open_directory(node);
    std::vector<DirectoryEntry> all;
    for (uint64_t offset = 0;;) {
      Answer answer = read_page({node, handle, offset}, page_size, opcode);
      EXPECT_EQ(answer.error, 0) << std::strerror(answer.error);
      std::vector<DirectoryEntry> page = entries_of(answer.body, opcode);
      if (page.empty()) break;
      offset = page.back().offset;
      all.insert(all.end(), page.begin(), page.end());
    }
    release(node, handle, FUSE_RELEASEDIR);
    return all;
  }

 private:
  virtio::FakeDriver driver_;
  uint64_t unique_ = 0;
};

// An empty directory, removed at the end with all that is in it.
class TempDir {
 public:
  TempDir() {
    std::string path = (std::filesystem::temp_directory_path() / "cloche_fs_XXXXXX").string();
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    path_ = path;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string path(std::string_view name = {}) const { return name.empty() ? path_ : path_ + "/" + std::string(name); }
  void write(std::string_view name, std::string_view contents) const { std::ofstream(path(name)) << contents; }
  std::string read(std::string_view name) const {
    std::ifstream in(path(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string path_;
};

inline Fd path_fd(const std::string& path) { return open_file(path, O_PATH | O_NOFOLLOW).value(); }

// A device that shows one node, with a client that has said INIT.
struct Share {
  explicit Share(Node root, Options options = {.tag = "share"})
      : fs(Fs::create(std::move(options), std::move(root), Log()).value()), client(*fs) {
    client.init();
  }
  std::unique_ptr<Fs> fs;
  FuseClient client;
};

// A temporary directory, shared.
struct SharedDir {
  explicit SharedDir(Options options = {.tag = "share"})
      : share(Node::host(path_fd(dir.path())), std::move(options)), client(share.client) {}
  TempDir dir;
  Share share;
  FuseClient& client;
};

inline bool is_root() { return ::geteuid() == 0; }

}  // namespace cloche::fs
