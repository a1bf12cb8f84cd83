#include "tar/header.h"

#include <gtest/gtest.h>

#include "tar/testing/stream.h"

namespace cloche::tar {
namespace {

std::optional<int64_t> parse(std::string_view field) { return parse_number(std::span(field.data(), field.size())); }

TEST(TarHeader, NumbersInOctal) {
  EXPECT_EQ(parse(std::string_view("0000644\0", 8)), 0644);
  EXPECT_EQ(parse("  644 \0"), 0644);
  EXPECT_EQ(parse("777777777777"), 0777777777777);
  EXPECT_EQ(parse(std::string_view("\0\0\0", 3)), 0);
  for (const char* text : {"0000648", "12x", "-1", "1 2", "+1"}) EXPECT_FALSE(parse(text)) << text;
}

TEST(TarHeader, NumbersInBase256) {
  EXPECT_EQ(parse(std::string_view("\x80\0\0\0\2\0\0\0\0\0\0\0", 12)), int64_t{2} << 56);
  EXPECT_EQ(parse(std::string_view("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12)), INT64_MAX);
  EXPECT_EQ(parse("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), -2);
  EXPECT_FALSE(parse(std::string_view("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12)));
  EXPECT_FALSE(parse(std::string_view("\x80\0\0\1\0\0\0\0\0\0\0\0", 12)));
  EXPECT_FALSE(parse(std::string_view("\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 12)));
  EXPECT_FALSE(parse(std::string_view("\xc0\0\0\0\0\0\0\0\0\0\0\0", 12)));
}

TEST(TarHeader, OnlyOneWithItsChecksumAndMagicIsTaken) {
  Header header = testing::header('0', "a");
  EXPECT_TRUE(check_header(header));
  header.name[0] = 'b';
  EXPECT_EQ(check_header(header).error().what, "a header with a wrong checksum");
  header.magic[0] = 0;
  testing::seal(header);
  EXPECT_EQ(check_header(header).error().what, "a header that is neither POSIX nor GNU tar's");
}

TEST(TarHeader, APrefixIsTheFrontOfAName) {
  Header header = testing::header('0', "b/c");
  header.prefix[0] = 'a';
  EXPECT_EQ(decode(header, {})->entry.path, "a/b/c");
  std::memcpy(header.magic, "ustar  ", 8);
  EXPECT_EQ(decode(header, {})->entry.path, "b/c");
  EXPECT_EQ(decode(header, {.path = "long"})->entry.path, "long");
}

TEST(TarHeader, NumbersThatCannotBeAreRefused) {
  auto refused = [](auto change, Extended extended = {}) {
    Header header = testing::header('0', "a");
    change(header);
    return !decode(header, extended).has_value();
  };
  auto nothing = [](Header&) {};
  EXPECT_FALSE(refused(nothing));
  EXPECT_TRUE(refused([](Header& header) { std::memset(header.size, 0xff, 12); }));
  EXPECT_TRUE(refused([](Header& header) { std::memset(header.uid, 0xff, 8); }));
  EXPECT_TRUE(refused([](Header& header) { header.mode[0] = '9'; }));
  EXPECT_TRUE(refused([](Header& header) { header.modified[0] = 'x'; }));
  EXPECT_TRUE(refused(nothing, {.size = uint64_t{1} << 63}));
  EXPECT_TRUE(refused(nothing, {.uid = UINT32_MAX}));
  EXPECT_TRUE(refused(nothing, {.gid = uint64_t{1} << 32}));
  EXPECT_TRUE(refused(nothing, {.sparse_size = 5, .sparse_major = 1, .sparse_minor = 0}));
  EXPECT_TRUE(refused(nothing, {.sparse_path = "a", .sparse_size = 5, .sparse_major = 1, .sparse_minor = 1}));
  EXPECT_TRUE(refused([](Header& header) { header.type = '5'; }, {.size = 1}));
}

// What the ustar header cannot hold stands in the extended one; both are whole blocks.
TEST(TarHeader, WhatIsEncodedIsDecoded) {
  Entry entry{.path = std::string(300, 'p'), .mode = 04755, .uid = 3'000'000, .gid = 4'000'000'000u};
  entry.size = uint64_t{1} << 40;
  entry.modified = {-5, 7};
  std::string text = encode(entry);
  ASSERT_EQ(text.size() % kBlockBytes, 0u);
  Header front, header;
  std::memcpy(&front, text.data(), sizeof front);
  std::memcpy(&header, text.data() + text.size() - sizeof header, sizeof header);
  ASSERT_TRUE(check_header(front));
  ASSERT_TRUE(check_header(header));
  Extended extended;
  ASSERT_TRUE(parse_records(text.substr(kBlockBytes, static_cast<size_t>(*parse_number(front.size))), extended));
  Decoded back = decode(header, extended).value();
  EXPECT_EQ(back.entry.path, entry.path);
  EXPECT_EQ(back.entry.mode, entry.mode);
  EXPECT_EQ(back.entry.uid, entry.uid);
  EXPECT_EQ(back.entry.gid, entry.gid);
  EXPECT_EQ(back.stored, entry.size);
  EXPECT_EQ(back.entry.modified.tv_sec, -5);
  EXPECT_EQ(back.entry.modified.tv_nsec, 7);
}

}  // namespace
}  // namespace cloche::tar
