#include "tar/extended.h"

#include <gtest/gtest.h>

#include "tar/testing/stream.h"

namespace cloche::tar {
namespace {

using testing::record;

TEST(Extended, ARecordCountsItsOwnSize) {
  EXPECT_EQ(record("k", ""), "5 k=\n");
  EXPECT_EQ(record("k", "1234"), "9 k=1234\n");
  EXPECT_EQ(record("k", "12345"), "11 k=12345\n");
  EXPECT_EQ(record("k", std::string(93, 'x')).substr(0, 4), "99 k");
  EXPECT_EQ(record("k", std::string(94, 'x')).substr(0, 5), "101 k");
}

TEST(Extended, WhatIsWrittenIsRead) {
  std::string odd = "a=b\n12 c\xff";
  Extended extended;
  ASSERT_TRUE(parse_records(record("path", odd) + record("comment", "x") + record("uid", "4294967294") +
                                record("mtime", "-1.5") + record("gid", "7"),
                            extended));
  EXPECT_EQ(extended.path, odd);
  EXPECT_EQ(extended.uid, 4294967294u);
  EXPECT_EQ(extended.modified->tv_sec, -2);
  EXPECT_EQ(extended.modified->tv_nsec, 500'000'000);
  ASSERT_TRUE(parse_records(record("gid", ""), extended));
  EXPECT_FALSE(extended.gid);
}

TEST(Extended, DamagedRecordsAreRefused) {
  for (std::string text : {"x", "1", "99 path=a\n", "8 path=a\n", "10 path=ab", "8 path\n", "-5 a=\n", "0 a=b\n",
                           "11 size=12a\n", "28 size=99999999999999999999\n", "13 mtime=1.x\n",
                           "99999999999999999999999 a=b\n", "22 GNU.sparse.map=0,1\n", "  6 a=\n"}) {
    Extended extended;
    EXPECT_FALSE(parse_records(text, extended)) << text;
  }
}

TEST(Extended, TimesComeBack) {
  for (timespec time : {timespec{0, 0}, {1, 1}, {-1, 0}, {-1, 999'999'999}, {-2, 1}, {INT64_MAX, 0}, {-INT64_MAX, 5}}) {
    auto back = parse_time(time_text(time));
    ASSERT_TRUE(back) << time_text(time);
    EXPECT_EQ(back->tv_sec, time.tv_sec) << time_text(time);
    EXPECT_EQ(back->tv_nsec, time.tv_nsec) << time_text(time);
  }
  EXPECT_EQ(parse_time("5.1234567899")->tv_nsec, 123'456'789);
  for (const char* text : {"", "-", "--1", "1.-5", "1e5", "9223372036854775808", " 1", "+1"})
    EXPECT_FALSE(parse_time(text));
}

}  // namespace
}  // namespace cloche::tar
