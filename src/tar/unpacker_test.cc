// Streams that nobody means well with, and what there may be already where one is unpacked.
#include "tar/unpacker.h"

#include <random>

#include "tar/testing/stream.h"
#include "tar/testing/tree.h"

namespace cloche::tar {
namespace {

using testing::describe;
using testing::header;
using testing::record;
using testing::Scratch;
using testing::Stream;
using testing::unpack_all;

class UnpackerTest : public ::testing::Test {
 protected:
  UnpackerTest() {
    place_ = scratch_.make("place");
    scratch_.make("outside");
    scratch_.put("outside/file", "untouched");
    outside_ = describe(scratch_.at("outside"));
  }
  // Nothing outside has changed, whatever was unpacked.
  ~UnpackerTest() override { EXPECT_EQ(describe(scratch_.at("outside")), outside_); }

  Result<void> unpack(const Stream& stream, const UnpackOptions& options = {}) {
    return unpack_all(stream.whole(), place_, options);
  }
  // What it says; kInvalidArgument.
  std::string refusal(const Stream& stream, const UnpackOptions& options = {}) {
    auto result = unpack(stream, options);
    EXPECT_FALSE(result);
    if (result) return {};
    EXPECT_EQ(static_cast<int>(result.error().code), static_cast<int>(ErrorCode::kInvalidArgument))
        << result.error().message();
    return result.error().what;
  }
  bool has(const std::string& name) const { return scratch_.has("place/" + name); }
  std::string got(const std::string& name) const { return scratch_.got("place/" + name); }
  void put(const std::string& name, const std::string& text) const { scratch_.put("place/" + name, text); }
  void link(const std::string& target, const std::string& name) const {
    ASSERT_EQ(::symlink(target.c_str(), scratch_.at("place/" + name).c_str()), 0);
  }

  Scratch scratch_;
  std::string place_;
  std::map<std::string, std::string> outside_;
};

TEST_F(UnpackerTest, NamesThatLeadOutAreRefused) {
  for (std::string name : {"../outside/file", "a/../../outside/file", "..", "/etc/x", "a/..", "//x", ""}) {
    EXPECT_NE(refusal(Stream().file(name, "x")).find(name), std::string::npos);
    EXPECT_NE(refusal(Stream().directory(name)).find("name"), std::string::npos);
    refusal(Stream().extended(record("path", name.empty() ? "/" : name)).file("a", "x"));
    refusal(Stream().add(header('L', "long", name.size() + 1), name + '\0').file("a", "x"));
  }
  refusal(Stream().file("."));
  EXPECT_EQ(describe(place_).size(), 0u);
}

TEST_F(UnpackerTest, OddSpellingsOfANameAreThatName) {
  ASSERT_TRUE(unpack(Stream().directory("./a//").file("a/.//b", "x").directory("./").file("..c", "y")));
  EXPECT_EQ(got("a/b"), "x");
  EXPECT_EQ(got("..c"), "y");
}

TEST_F(UnpackerTest, ANameWithANulIsRefused) {
  EXPECT_NE(refusal(Stream().extended(record("path", std::string("a\0b", 3))).file("x")).find("NUL"),
            std::string::npos);
  refusal(Stream().extended(record("linkpath", std::string("a\0b", 3))).link('2', "x", "y"));
  refusal(Stream().add(header('L', "long", 4), std::string("a\0b", 4)).file("x"));
}

TEST_F(UnpackerTest, NothingGoesThroughALink) {
  UnpackOptions any{.links = Links::kAny};
  std::string outside = scratch_.at("outside");
  for (std::string target : {outside, std::string("../outside")}) {
    Stream swapped;
    swapped.link('2', "door", target).file("door/file", "x");
    EXPECT_NE(refusal(swapped, any).find("door/file"), std::string::npos);
    refusal(Stream().link('2', "door", target).directory("door/new"), any);
    refusal(Stream().link('2', "door", target).file("door/new/deep", "x"), any);
    refusal(Stream().link('2', "door", target).link('1', "stolen", "door/file"), any);
    EXPECT_FALSE(unpack(Stream().link('2', "door", target).directory("door"), any));
  }
  // Not through one that is there already, either.
  link("../outside", "old");
  refusal(Stream().file("old/file", "x"), any);
  ASSERT_TRUE(unpack(Stream().link('2', "old", "../outside/file").file("old", "x"), any));
  EXPECT_EQ(got("old"), "x");
}

// A directory that is pending becomes a link: its attributes must not land on what that leads to.
TEST_F(UnpackerTest, ADirectoryIsNotSwappedForALink) {
  EXPECT_FALSE(unpack(Stream().directory("a").file("a/x").link('2', "a", "../outside"), {.links = Links::kAny}));
  EXPECT_TRUE(std::filesystem::is_directory(std::filesystem::symlink_status(place_ + "/a")));
}

TEST_F(UnpackerTest, HardLinksStayInside) {
  put("own", "x");
  for (const char* target :
       {"../outside/file", "/etc/passwd", "a/../../outside/file", "", "missing", "own/x", "d", "l"})
    refusal(Stream().directory("d").link('1', "l", target));
  // A link that is linked elsewhere leads elsewhere.
  refusal(Stream().directory("t").directory("t/d").link('2', "t/d/l", "../x").link('1', "t/l", "t/d/l"));
  ASSERT_TRUE(unpack(Stream().directory("t").directory("t/d").link('2', "t/d/l", "x").link('1', "t/l", "t/d/l")));
}

TEST_F(UnpackerTest, SymbolicLinksStayInsideUnlessAllowed) {
  for (const char* target : {"/etc/passwd", "../../outside", "../other", "../../t/x", "a/../../..", "a/.."}) {
    Stream stream;
    stream.directory("t").directory("t/sub").link('2', "t/link", target);
    EXPECT_NE(refusal(stream).find(target), std::string::npos);
    EXPECT_TRUE(unpack(stream, {.links = Links::kAny}));
  }
  ASSERT_TRUE(
      unpack(Stream().directory("t").directory("t/sub").link('2', "t/sub/l", "../x").link('2', "t/m", "sub/l")));
  refusal(Stream().directory("t").directory("t/sub").link('2', "t/sub/l", "../../x"));
  refusal(Stream().link('2', "top", "../x"));
  ASSERT_TRUE(unpack(Stream().link('2', "top", "x")));
  // With a name the tree is what has it; where it is the directory itself, that.
  ASSERT_TRUE(unpack(Stream().directory("./").directory("./a").link('2', "./a/l", "../b")));
  refusal(Stream().directory("./").link('2', "./l", "../b"), {.name = "n"});
  refusal(Stream().directory("x").link('2', "x/l", "../b"), {.name = "n/m"});
  refusal(Stream().link('2', "l", ""));
}

TEST_F(UnpackerTest, AStreamWithANameGoesNowhereElse) {
  ASSERT_TRUE(unpack(Stream().directory("t").file("t/a", "x").link('1', "t/b", "t/a"), {.name = "new"}));
  EXPECT_EQ(got("new/b"), "x");
  EXPECT_NE(refusal(Stream().directory("t").file("other", "x"), {.name = "new"}).find("other"), std::string::npos);
  put("secret", "s");
  refusal(Stream().directory("t").link('1', "t/b", "secret"), {.name = "new"});
  refusal(Stream().file("t"), {.name = "../outside/file"});
  ASSERT_TRUE(unpack(Stream().file("./t", "y"), {.name = "one"}));
  EXPECT_EQ(got("one/t"), "y");
}

TEST_F(UnpackerTest, WhatIsThereIsReplacedOrMerged) {
  ASSERT_TRUE(unpack(Stream().directory("d").file("d/a", "old").file("d/b", "stays").link('1', "d/c", "d/a")));
  ASSERT_TRUE(unpack(Stream().directory("d").file("d/a", "new")));
  EXPECT_EQ(got("d/a"), "new");
  EXPECT_EQ(got("d/b"), "stays");
  EXPECT_EQ(got("d/c"), "old");  // Not written through.
  link("../outside/file", "link");
  ASSERT_TRUE(unpack(Stream().file("link", "x")));
  EXPECT_EQ(got("link"), "x");
  auto file_over_directory = unpack(Stream().file("d", "x"));
  ASSERT_FALSE(file_over_directory);
  EXPECT_EQ(file_over_directory.error().sys_errno, EISDIR);
  auto directory_over_file = unpack(Stream().directory("link"));
  ASSERT_FALSE(directory_over_file);
  EXPECT_EQ(directory_over_file.error().sys_errno, EEXIST);
}

TEST_F(UnpackerTest, ParentsThatTheStreamLacksAreMade) {
  ASSERT_TRUE(unpack(Stream().file("a/b/c", "x").file("a/b/d", "y")));
  EXPECT_EQ(got("a/b/c"), "x");
  EXPECT_EQ(got("a/b/d"), "y");
  put("file", "x");
  refusal(Stream().file("file/below", "x"));
}

// As bsdtar has them: what lies in a directory need not follow it.
TEST_F(UnpackerTest, AnyOrderDoes) {
  Header closed = header('5', "a");
  std::memcpy(closed.mode, "0000555", 8);
  testing::seal(closed);
  ASSERT_TRUE(unpack(Stream().add(closed).directory("b").file("a/x", "x").file("b/x").directory("a/d").file("c")));
  struct stat status{};
  ASSERT_EQ(::stat((place_ + "/a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0555u);
  EXPECT_EQ(status.st_mtim.tv_sec, 1);
  EXPECT_EQ(got("a/x"), "x");
}

// More directories than are remembered to the end: they are right, for the stream is in order.
TEST_F(UnpackerTest, ManyDirectoriesInOrder) {
  constexpr size_t kDirectories = 2600;
  std::string deep;  // A long path fills what is remembered with few of them.
  for (int level = 0; level < 14; ++level) deep += std::string(250, 'n') + "/";
  Stream stream;
  for (size_t i = 0; i < kDirectories; ++i) stream.extended(record("path", deep + std::to_string(i))).directory("d");
  ASSERT_TRUE(unpack(stream));
  for (size_t i = 0; i < kDirectories; ++i) {
    struct stat status{};
    ASSERT_EQ(::stat(fmt::format("{}/{}{}", place_, deep, i).c_str(), &status), 0);
    ASSERT_EQ(status.st_mtim.tv_sec, 1) << i;
  }
}

TEST_F(UnpackerTest, SetUserIdGoesWithTheOwnerOnly) {
  Header made = header('0', "suid");
  std::memcpy(made.mode, "0007755", 8);
  testing::seal(made);
  struct stat status{};
  ASSERT_TRUE(unpack(Stream().add(made)));
  ASSERT_EQ(::stat((place_ + "/suid").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 01755u);
  if (::geteuid() != 0) return;
  ASSERT_TRUE(unpack(Stream().add(made), {.owners = Owners::kKept}));
  ASSERT_EQ(::stat((place_ + "/suid").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 07755u);
  ASSERT_TRUE(unpack(Stream().add(made).file("new/file"), {.owners = Owners::kGiven, .uid = 12, .gid = 34}));
  for (const char* name : {"/suid", "/new", "/new/file"}) {
    ASSERT_EQ(::stat((place_ + name).c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 12u);
    EXPECT_EQ(status.st_gid, 34u);
    EXPECT_EQ(status.st_mode & 06000, 0u);
  }
}

TEST_F(UnpackerTest, DevicesAndUnknownTypesAreRefused) {
  EXPECT_NE(refusal(Stream().add(header('3', "null"))).find("null: it is a device"), std::string::npos);
  refusal(Stream().add(header('4', "disk")));
  for (char type : {'8', 'S', 'D', 'M', 'V', '\x7f'}) refusal(Stream().add(header(type, "a")));
  refusal(Stream().add(header('5', "d", 10), "0123456789"));
  refusal(Stream().add(header('2', "l", 10), "0123456789"));
  refusal(Stream().file("a/"));
  EXPECT_EQ(describe(place_).size(), 0u);
}

TEST_F(UnpackerTest, AStreamCutAnywhereIsAnError) {
  Stream stream;
  stream.directory("d").extended(record("path", "d/long")).file("x", std::string(2000, 'x')).file("d/last", "y");
  std::string whole = stream.whole();
  for (size_t size = 0; size < whole.size(); size += size % kBlockBytes == 0 ? 1 : kBlockBytes - 1) {
    auto cut = unpack_all(whole.substr(0, size), place_);
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().code, ErrorCode::kInvalidArgument);
    bool is_half = size >= 4 * kBlockBytes && size < 8 * kBlockBytes;
    EXPECT_EQ(has("d/long"), size >= 8 * kBlockBytes) << size << is_half;
    std::filesystem::remove_all(place_ + "/d");
  }
  EXPECT_TRUE(unpack_all(whole, place_));
}

TEST_F(UnpackerTest, OneBitIsEnoughToBeRefused) {
  std::string whole = Stream().file("a", "x").whole();
  for (size_t bit = 0; bit < 8 * kBlockBytes; bit += 7) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    // Blanks, NULs and zeros about the checksum's digits mean the same; the sum knows of none of them.
    if (bit / 8 >= 148 && bit / 8 < 156) continue;
    EXPECT_FALSE(unpack_all(damaged, place_)) << bit;
  }
}

TEST_F(UnpackerTest, ZerosAreTheEndAndNothingElse) {
  std::string zeros(kBlockBytes, '\0');
  std::string one = Stream().file("a", "x").open();
  EXPECT_FALSE(unpack_all(one + zeros, place_));
  EXPECT_FALSE(unpack_all(one + zeros + one + zeros + zeros, place_));
  EXPECT_TRUE(unpack_all(one + zeros + zeros + "anything", place_));
  EXPECT_TRUE(unpack_all(zeros + zeros, place_));
  EXPECT_FALSE(unpack_all(Stream().extended(record("path", "a")).whole(), place_));
}

TEST_F(UnpackerTest, LargeHeadersAreRefusedBeforeTheyCome) {
  Unpacker unpacker(testing::open_folder(place_), {});
  std::string front = Stream().add(header('x', "x", kMostExtendedBytes + 1)).open();
  EXPECT_FALSE(unpacker.write(std::as_bytes(std::span(front)).first(kBlockBytes)));
  refusal(Stream().add(header('L', "x", kMostPathBytes + 2)));
  refusal(Stream().extended(record("path", std::string(kMostPathBytes + 1, 'x'))).file("a"));
  Header wild = header('x', "x");
  std::memset(wild.size, 0xff, sizeof wild.size);
  testing::seal(wild);
  refusal(Stream().add(wild));
  // As large as allowed, and unknown.
  ASSERT_TRUE(unpack(Stream().extended(record("comment", std::string(1 << 19, 'c'))).file("a", "x")));
  EXPECT_EQ(got("a"), "x");
}

TEST_F(UnpackerTest, GlobalHeadersHoldUntilAnotherSaysOtherwise) {
  Stream stream;
  stream.extended(record("mtime", "5") + record("comment", "c"), 'g').file("a");
  stream.extended(record("mtime", "6")).file("b").extended(record("mtime", "")).file("c").file("d");
  ASSERT_TRUE(unpack(stream));
  for (auto [name, time] : {std::pair("/a", 5), {"/b", 6}, {"/c", 1}, {"/d", 5}}) {
    struct stat status{};
    ASSERT_EQ(::stat((place_ + name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mtim.tv_sec, time) << name;
  }
}

TEST_F(UnpackerTest, MapsOfHolesAreChecked) {
  auto sparse = [](const std::string& map, const std::string& size, size_t data) {
    std::string stored = map;
    stored.resize((map.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes);
    return Stream()
        .extended(record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.name", "s") +
                  record("GNU.sparse.realsize", size))
        .file("GNUSparseFile.0/s", stored + std::string(data, 'd'));
  };
  ASSERT_TRUE(unpack(sparse("1\n1024\n3\n", "1027", 3)));
  EXPECT_EQ(got("s"), std::string(1024, '\0') + "ddd");
  ASSERT_TRUE(unpack(sparse("2\n0\n512\n2000\n0\n", "2000", 512)));
  ASSERT_TRUE(unpack(sparse("0\n", "7", 0)));
  EXPECT_EQ(got("s"), std::string(7, '\0'));
  for (std::string map : {"1\n1024\n4\n", "1\n1024\n3", "1\n\n3\n", "x", "2\n0\n3\n0\n0\n", "2\n1024\n0\n0\n3\n",
                          "1\n-1\n3\n", "1\n9223372036854775807\n3\n", "1\n18446744073709551615\n3\n",
                          "1\n0\n9223372036854775807\n", "99999999999\n", "2\n0\n1\n512\n2\n", "1\n1025\n3\n", ""})
    refusal(sparse(map, "1027", 3));
  refusal(sparse("1\n0\n3\n", "9223372036854775808", 3));
  refusal(Stream().extended(record("GNU.sparse.map", "0,1")).file("a", "x"));
  EXPECT_FALSE(unpack(sparse("0\n", "9223372036854775807", 0)));  // The file system takes none of that size.
}

// A map is kept in memory: not more of it than the limit.
TEST_F(UnpackerTest, AnEndlessMapIsRefused) {
  std::string front = Stream()
                          .extended(record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") +
                                    record("GNU.sparse.name", "s") + record("GNU.sparse.realsize", "1"))
                          .add(header('0', "s", uint64_t{1} << 32))
                          .open();
  EXPECT_FALSE(unpack_all(front + std::to_string(kMostSegments + 1) + "\n" + std::string(kBlockBytes, '0'), place_));
  EXPECT_FALSE(unpack_all(front + std::string(1 << 20, '0'), place_));
}

// Many entries for one name, or of what is no entry: they take time and nothing else.
TEST_F(UnpackerTest, EndlessEntriesCostNoMemory) {
  Unpacker unpacker(testing::open_folder(place_), {});
  std::string round =
      Stream().file("a").directory("d").extended(record("path", "d/e")).directory("x").extended("").open();
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(unpacker.write(std::as_bytes(std::span(round))));
  EXPECT_EQ(describe(place_).size(), 3u);
}

TEST_F(UnpackerTest, AfterAnErrorNothingIsTaken) {
  Unpacker unpacker(testing::open_folder(place_), {});
  std::string bad = Stream().file("../x").open(), good = Stream().file("a").whole();
  EXPECT_FALSE(unpacker.write(std::as_bytes(std::span(bad))));
  EXPECT_FALSE(unpacker.write(std::as_bytes(std::span(good))));
  EXPECT_EQ(unpacker.finish().error().what, "unpack ../x: its name has a component \"..\"");
  EXPECT_FALSE(has("a"));
}

TEST_F(UnpackerTest, RandomDamageStaysInside) {
  std::string whole = Stream()
                          .directory("d")
                          .file("d/a", "x")
                          .link('2', "d/l", "../../outside")
                          .extended(record("path", "d/l/file"))
                          .file("b", "y")
                          .link('1', "c", "d/a")
                          .whole();
  std::mt19937 random(1);
  for (int run = 0; run < 1000; ++run) {
    std::string damaged = whole;
    for (unsigned count = random() % 4 + 1; count > 0; --count) {
      size_t block = random() % (whole.size() / kBlockBytes - 2) * kBlockBytes;
      damaged[block + random() % kBlockBytes] = static_cast<char>(random());
      Header mended;
      std::memcpy(&mended, damaged.data() + block, sizeof mended);
      testing::seal(mended);
      std::memcpy(damaged.data() + block, &mended, sizeof mended);
    }
    (void)unpack_all(damaged, place_, {.links = random() % 2 == 0 ? Links::kAny : Links::kInsideOnly});
  }
}

}  // namespace
}  // namespace cloche::tar
