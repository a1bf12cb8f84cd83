// Trees that go out and come back: through our own unpacker, and out to and in from GNU tar.
#include "tar/pack.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "tar/testing/tree.h"

namespace cloche::tar {
namespace {

using testing::describe;
using testing::Detail;
using testing::pack_all;
using testing::run;
using testing::Scratch;
using testing::unpack_all;

const UnpackOptions kKeepAll{.links = Links::kAny, .devices = Devices::kMade, .owners = Owners::kKept};

bool is_root() { return ::geteuid() == 0; }

std::string bytes(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251 + 1);
  return text;
}

void set_time(const std::string& path, timespec time) {
  timespec times[2] = {{0, UTIME_OMIT}, time};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << path;
}

// Data of 4 KiB at each offset, and this size.
void make_sparse(const std::string& path, const std::vector<off_t>& offsets, off_t size) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  for (off_t offset : offsets) ASSERT_EQ(::pwrite(file.get(), bytes(4096).data(), 4096, offset), 4096);
  ASSERT_EQ(::ftruncate(file.get(), size), 0);
  ASSERT_EQ(::fsync(file.get()), 0);  // What is not written yet counts in no st_blocks.
}

// What every format keeps.
void make_plain_tree(const Scratch& in) {
  in.make("tree/sub/empty");
  for (size_t size : {0, 1, 511, 512, 513, 70'000}) in.put("tree/size" + std::to_string(size), bytes(size));
  ASSERT_EQ(::link(in.at("tree/size513").c_str(), in.at("tree/sub/same").c_str()), 0);
  ASSERT_EQ(::symlink("../size1", in.at("tree/sub/link").c_str()), 0);
  ASSERT_EQ(::symlink("nowhere", in.at("tree/dangling").c_str()), 0);
  ASSERT_EQ(::mkfifo(in.at("tree/fifo").c_str(), 0640), 0);
  in.put("tree/" + std::string(120, 'n'), "a name too long for a header");
  in.put("tree/setuid", "x");
  ASSERT_EQ(::chmod(in.at("tree/setuid").c_str(), 06755), 0);
  ASSERT_EQ(::chmod(in.at("tree/sub").c_str(), 01777), 0);
  set_time(in.at("tree/fifo"), {1'000'000'000, 0});
  set_time(in.at("tree/dangling"), {1'000'000'001, 0});
  set_time(in.at("tree/sub"), {1'000'000'002, 0});
}

// What only pax keeps.
void make_odd_tree(const Scratch& in) {
  make_plain_tree(in);
  for (const char* name : {"new\nline", "tab\tname", "\xff\xfe", "\xc3\xbc", "-rf", " ", "*", "=", "...", "..a", "a b ",
                           "\x01", "back\\slash", "\"quoted\"", "12 path=x"}) {
    in.put(std::string("tree/") + name, name);
    ASSERT_EQ(::symlink(name, in.at(std::string("tree/sub/") + name).c_str()), 0);
  }
  std::string deep = "tree";
  for (int i = 0; i < 8; ++i) deep += "/" + std::string(static_cast<size_t>(30 * (i + 1)), static_cast<char>('a' + i));
  in.make(deep);
  in.put(deep + "/file", "deep");
  ASSERT_EQ(::link(in.at(deep + "/file").c_str(), in.at("tree/same as deep").c_str()), 0);
  in.put("tree/" + std::string(255, '\xe9'), "255");
  ASSERT_EQ(::symlink(std::string(4000, 'x').c_str(), in.at("tree/long link").c_str()), 0);
  ASSERT_EQ(::symlink("/etc/passwd", in.at("tree/absolute").c_str()), 0);
  in.put("tree/old", "x");
  set_time(in.at("tree/old"), {-2, 500'000'000});
  in.put("tree/future", "x");
  set_time(in.at("tree/future"), {10'000'000'000, 123'456'789});
  in.make("tree/closed");
  in.put("tree/closed/file", "x");
  ASSERT_EQ(::chmod(in.at("tree/closed").c_str(), 0555), 0);
  set_time(in.at("tree/closed"), {1'000'000'000, 999'999'999});
  if (!is_root()) return;
  ASSERT_EQ(::chmod(in.at("tree/old").c_str(), 0), 0);
  ASSERT_EQ(::chown(in.at("tree/future").c_str(), 3'000'000, 4'000'000'000u), 0);
  ASSERT_EQ(::lchown(in.at("tree/absolute").c_str(), 1234, 5678), 0);
  ASSERT_EQ(::chown(in.at("tree/setuid").c_str(), 1234, 5678), 0);
  ASSERT_EQ(::chmod(in.at("tree/setuid").c_str(), 06755), 0);  // Lost with the change of owner.
}

void make_sparse_tree(const Scratch& in) {
  in.make("tree");
  constexpr off_t kMiB = 1 << 20;
  make_sparse(in.at("tree/front"), {8 * kMiB}, 8 * kMiB + 4096);
  make_sparse(in.at("tree/middle"), {0, 4 * kMiB}, 4 * kMiB + 4096);
  make_sparse(in.at("tree/end"), {0}, 4 * kMiB);
  make_sparse(in.at("tree/all"), {}, 5 * kMiB + 7);
  make_sparse(in.at("tree/huge"), {kMiB << 13}, (kMiB << 13) + 5000);  // More than a ustar header's 8 GiB.
  std::vector<off_t> many;
  for (off_t i = 0; i < 300; ++i) many.push_back(i * 16384 + 4096);
  make_sparse(in.at("tree/many \xff"), many, 300 * 16384);
  // The last piece of data is no whole block.
  make_sparse(in.at("tree/odd"), {kMiB}, kMiB + 4096);
  ASSERT_EQ(::truncate(in.at("tree/odd").c_str(), kMiB + 1001), 0);
}

TEST(Pack, AnOddTreeComesBack) {
  Scratch in, out;
  make_odd_tree(in);
  std::string stream = pack_all(in.path(), "tree");
  EXPECT_EQ(stream.size() % kBlockBytes, 0u);
  for (size_t piece : {100'000, 512, 1000, 7}) {
    Scratch each;
    auto unpacked = unpack_all(stream, each.path(), kKeepAll, piece);
    ASSERT_TRUE(unpacked) << unpacked.error().message();
    EXPECT_EQ(describe(each.path()), describe(in.path()));
    ASSERT_TRUE(unpack_all(stream, each.path(), kKeepAll));  // Over itself, closed directories and all.
    EXPECT_EQ(describe(each.path()), describe(in.path()));
  }
}

TEST(Pack, HolesComeBackAsHoles) {
  Scratch in, out;
  make_sparse_tree(in);
  std::string stream = pack_all(in.path(), "tree");
  EXPECT_LT(stream.size(), size_t{2} << 20);
  auto unpacked = unpack_all(stream, out.path(), kKeepAll);
  ASSERT_TRUE(unpacked) << unpacked.error().message();
  auto wanted = describe(in.path());
  EXPECT_NE(wanted["tree/many \xff"].find(" of 301\n"), std::string::npos) << wanted["tree/many \xff"];
  EXPECT_EQ(describe(out.path()), wanted);
  run("sync -f " + out.path());
  for (const auto& [name, line] : wanted) {
    struct stat there{}, here{};
    ASSERT_EQ(::stat(in.at(name).c_str(), &there), 0);
    ASSERT_EQ(::stat(out.at(name).c_str(), &here), 0);
    EXPECT_LE(here.st_blocks, there.st_blocks + 64) << name;  // The file system's own blocks may differ.
  }
}

TEST(Pack, DevicesAndOwnersComeBack) {
  if (!is_root()) GTEST_SKIP() << "only root makes devices";
  Scratch in, out;
  in.make("tree");
  if (::mknod(in.at("tree/null").c_str(), S_IFCHR | 0620, ::makedev(1, 3)) < 0) GTEST_SKIP() << "no devices here";
  ASSERT_EQ(::mknod(in.at("tree/disk").c_str(), S_IFBLK | 0600, ::makedev(4095, 1'000'000)), 0);
  std::string stream = pack_all(in.path(), "tree");
  ASSERT_TRUE(unpack_all(stream, out.path(), kKeepAll));
  EXPECT_EQ(describe(out.path()), describe(in.path()));
  Scratch other;
  auto refused = unpack_all(stream, other.path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

TEST(Pack, OneFileIsATree) {
  Scratch in, out;
  in.put("file", "text");
  ASSERT_EQ(::symlink("file", in.at("link").c_str()), 0);
  ASSERT_TRUE(unpack_all(pack_all(in.path(), "file"), out.path()));
  ASSERT_TRUE(unpack_all(pack_all(in.path(), "file"), out.path(), {.name = "other"}));
  ASSERT_TRUE(unpack_all(pack_all(in.path(), "link"), out.path()));
  EXPECT_EQ(out.got("file"), "text");
  EXPECT_EQ(out.got("other"), "text");
  EXPECT_TRUE(std::filesystem::is_symlink(out.at("link")));
}

TEST(Pack, TheDirectoryItselfIsADot) {
  Scratch in, out;
  make_plain_tree(in);
  std::string stream = pack_all(in.at("tree"), ".");
  ASSERT_TRUE(unpack_all(stream, out.make("as it is"), kKeepAll));
  EXPECT_EQ(describe(out.at("as it is")), describe(in.at("tree")));
  UnpackOptions named = kKeepAll;
  named.name = "tree";
  ASSERT_TRUE(unpack_all(stream, out.make("named"), named));
  EXPECT_EQ(describe(out.at("named")), describe(in.path()));
}

TEST(Pack, SocketsAreLeftOut) {
  Scratch in, out;
  in.make("tree");
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  in.at("tree/socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  Packed told;
  ASSERT_TRUE(unpack_all(pack_all(in.path(), "tree", &told), out.path()));
  EXPECT_EQ(told.sockets, 1u);
  EXPECT_FALSE(out.has("tree/socket"));
}

// The sink sees the first piece before the file is read to its end.
TEST(Pack, AFileThatShrinksIsFilledUpAndTold) {
  Scratch in, out;
  in.put("file", bytes(1'000'000));
  std::string stream;
  auto packed =
      pack(testing::open_folder(in.path()).get(), "file", [&](std::span<const std::byte> piece) -> Result<void> {
        if (stream.empty()) std::filesystem::resize_file(in.at("file"), 200'000);
        stream.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        return {};
      });
  ASSERT_TRUE(packed);
  EXPECT_EQ(packed->changed, 1u);
  EXPECT_EQ(packed->first_changed, "file");
  ASSERT_TRUE(unpack_all(stream, out.path()));
  EXPECT_EQ(out.got("file"), bytes(200'000) + std::string(800'000, '\0'));
}

TEST(Pack, AFileThatGrowsIsCut) {
  Scratch in, out;
  in.put("file", bytes(200'000));
  std::string stream;
  auto packed =
      pack(testing::open_folder(in.path()).get(), "file", [&](std::span<const std::byte> piece) -> Result<void> {
        if (stream.empty()) in.put("file", bytes(300'000));
        stream.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        return {};
      });
  ASSERT_TRUE(packed);
  EXPECT_EQ(packed->changed, 0u);
  ASSERT_TRUE(unpack_all(stream, out.path()));
  EXPECT_EQ(out.got("file"), bytes(200'000));
}

TEST(Pack, AFailingSinkEndsIt) {
  Scratch in;
  in.put("file", bytes(200'000));
  int calls = 0;
  auto packed = pack(testing::open_folder(in.path()).get(), "file", [&](std::span<const std::byte>) -> Result<void> {
    ++calls;
    return fail(ErrorCode::kHost, "full", ENOSPC);
  });
  ASSERT_FALSE(packed);
  EXPECT_EQ(packed.error().sys_errno, ENOSPC);
  EXPECT_EQ(calls, 1);
}

TEST(Pack, TheDepthHasALimit) {
  Scratch in, out;
  auto add_level = [](Fd& at) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
    at = Fd(::openat(at.get(), "d", O_PATH | O_DIRECTORY | O_CLOEXEC));
  };
  in.make("d");
  Fd at = testing::open_folder(in.at("d"));
  for (size_t level = 1; level < kMostDepth; ++level) add_level(at);
  ASSERT_TRUE(unpack_all(pack_all(in.path(), "d"), out.path()));
  EXPECT_EQ(describe(out.path()), describe(in.path()));
  add_level(at);
  auto packed = pack(testing::open_folder(in.path()).get(), "d", [](auto) { return Result<void>(); });
  ASSERT_FALSE(packed);
  EXPECT_EQ(packed.error().code, ErrorCode::kUnsupported);
}

TEST(Pack, WhatIsMountedIsLeftOutWhereAsked) {
  struct stat outer{}, inner{};
  bool is_mounted = ::stat("/dev", &outer) == 0 && ::stat("/dev/pts", &inner) == 0 && outer.st_dev != inner.st_dev;
  if (!is_root() || !is_mounted) GTEST_SKIP() << "needs root and a mounted /dev/pts";
  std::string stream;
  auto take = [&](std::span<const std::byte> piece) -> Result<void> {
    stream.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return {};
  };
  ASSERT_TRUE(pack(testing::open_folder("/").get(), "dev", take, Mounts::kLeftOut));
  EXPECT_TRUE(stream.contains(std::string("dev/pts/\0", 9)));
  EXPECT_FALSE(stream.contains("dev/pts/ptmx"));
}

TEST(Pack, NamesThatAreNoneAreRefused) {
  Scratch in;
  for (const char* name : {"", "..", "a/b", "/", "missing"})
    EXPECT_FALSE(pack(testing::open_folder(in.path()).get(), name, [](auto) { return Result<void>(); })) << name;
}

// GNU tar on what we packed, and ours on what it packed.
class GnuTar : public ::testing::Test {
 protected:
  void unpack_theirs(const std::string& options) {
    ASSERT_EQ(run("cd '" + in_.path() + "' && tar --create --file=../" + archive() + " " + options + " tree"), 0);
    auto unpacked = unpack_all(in_.got("../" + archive()), out_.path(), kKeepAll);
    ASSERT_TRUE(unpacked) << unpacked.error().message();
  }
  std::string archive() const { return std::filesystem::path(in_.path()).filename().native() + ".tar"; }
  void unpack_ours(const std::string& options = {}) {
    in_.put("../" + archive(), pack_all(in_.path(), "tree"));
    ASSERT_EQ(run("cd '" + out_.path() +
                  "' && tar --extract --warning=no-timestamp --preserve-permissions --numeric-owner --file='" +
                  in_.at("../" + archive()) + "' " + options + " 2> errors && test ! -s errors && rm errors"),
              0)
        << out_.got("errors");
  }
  ~GnuTar() override { std::filesystem::remove(in_.at("../" + archive())); }
  Scratch in_, out_;
};

TEST_F(GnuTar, UnpacksAnOddTree) {
  make_odd_tree(in_);
  unpack_ours();
  EXPECT_EQ(describe(out_.path()), describe(in_.path()));
  std::string list = in_.at("../" + archive());
  EXPECT_EQ(run("tar --list --verbose --file='" + list + "' > " + out_.at("list")), 0);
  EXPECT_NE(out_.got("list").find(" link to tree/"), std::string::npos);
}

TEST_F(GnuTar, UnpacksHoles) {
  make_sparse_tree(in_);
  unpack_ours();
  EXPECT_EQ(describe(out_.path()), describe(in_.path()));
}

TEST_F(GnuTar, PaxIsUnderstood) {
  make_odd_tree(in_);
  unpack_theirs("--format=pax");
  EXPECT_EQ(describe(out_.path()), describe(in_.path()));
}

TEST_F(GnuTar, PaxWithHolesIsUnderstood) {
  make_sparse_tree(in_);
  unpack_theirs("--format=pax --sparse");
  EXPECT_EQ(describe(out_.path()), describe(in_.path()));
}

TEST_F(GnuTar, GnuIsUnderstood) {
  make_odd_tree(in_);
  unpack_theirs("--format=gnu");
  EXPECT_EQ(describe(out_.path(), Detail::kWholeSeconds), describe(in_.path(), Detail::kWholeSeconds));
}

TEST_F(GnuTar, UstarIsUnderstood) {
  make_plain_tree(in_);
  std::filesystem::remove(in_.at("tree/" + std::string(120, 'n')));
  std::string name = "tree/" + std::string(90, 'a') + "/" + std::string(90, 'b');
  in_.make(name);
  in_.put(name + "/file", "with a prefix");
  unpack_theirs("--format=ustar");
  EXPECT_EQ(describe(out_.path(), Detail::kWholeSeconds), describe(in_.path(), Detail::kWholeSeconds));
}

TEST_F(GnuTar, OldHolesAreRefused) {
  make_sparse_tree(in_);
  ASSERT_EQ(run("cd '" + in_.path() + "' && tar --create --file=../" + archive() + " --format=gnu --sparse tree"), 0);
  auto refused = unpack_all(in_.got("../" + archive()), out_.path());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("--format=pax"), std::string::npos);
}

}  // namespace
}  // namespace cloche::tar
