#include "cli/statistics_table.h"

#include <gtest/gtest.h>

namespace cloche::cli {
namespace {

TEST(StatisticsTable, BytesAndTimesReadWell) {
  EXPECT_EQ(bytes_text(0), "0B");
  EXPECT_EQ(bytes_text(1023), "1023B");
  EXPECT_EQ(bytes_text(1536), "1.5KiB");
  EXPECT_EQ(bytes_text((1 << 20) - 1), "1.0MiB");
  EXPECT_EQ(bytes_text(512u << 20), "512MiB");
  EXPECT_EQ(bytes_text(UINT64_MAX), "16.0EiB");
  EXPECT_EQ(cpu_time_text(0), "0:00.00");
  EXPECT_EQ(cpu_time_text(62'509'999'999), "1:02.50");
}

Usage usage() {
  Usage each{.id = "0123456789ab", .name = "box"};
  each.before.taken_ns = 1'000'000'000;
  each.before.guest.emplace();
  each.now = each.before;
  each.now.taken_ns = 2'000'000'000;
  each.now.cpus = 2;
  each.now.guest->user_ns = 500'000'000;
  each.now.guest->memory_bytes = 512 << 20;
  each.now.guest->available_bytes = 256 << 20;
  each.now.vmm = {.pid = 7, .user_ns = 250'000'000, .memory_bytes = 1 << 20, .threads = 3};
  return each;
}

TEST(StatisticsTable, AUsageIsOfTheTimeBetween) {
  auto json = usage_json(usage());
  EXPECT_EQ(json["cpu_percent"], 50.0);
  EXPECT_EQ(json["vmm_cpu_percent"], 25.0);
  EXPECT_EQ(json["memory_bytes"], 256 << 20);
  EXPECT_TRUE(json["read_bytes"].is_null() && json["vmm_read_bytes"].is_null());  // Nobody counts them.
  Usage counted = usage();
  counted.now.guest->written_bytes = 5;
  EXPECT_EQ(usage_json(counted)["read_bytes"], 0);
  EXPECT_EQ(usage_json(counted)["written_bytes"], 5);
  EXPECT_NE(usage_table(std::array{usage()}).find("box   50.0%  256MiB  512MiB"), std::string::npos);
}

TEST(StatisticsTable, WhatAGuestSaysStaysInBounds) {
  Usage wild = usage();
  wild.now.guest->user_ns = UINT64_MAX - 5;
  EXPECT_EQ(usage_json(wild)["cpu_percent"], 200.0);  // It has two processors.
  wild.now.guest->user_ns = 0;
  wild.before.guest->user_ns = UINT64_MAX;
  EXPECT_EQ(usage_json(wild)["cpu_percent"], 0.0);
  wild.now.guest->available_bytes = UINT64_MAX;
  EXPECT_EQ(usage_json(wild)["memory_bytes"], 0);
  wild.now.taken_ns = 0;
  EXPECT_EQ(usage_json(wild)["vmm_cpu_percent"], 0.0);
}

TEST(StatisticsTable, APausedGuestSaysNothing) {
  Usage paused = usage();
  paused.now.guest.reset();
  EXPECT_TRUE(usage_json(paused)["cpu_percent"].is_null());
  EXPECT_NE(usage_table(std::array{paused}).find("paused"), std::string::npos);
}

TEST(StatisticsTable, ColumnsAreAsWideAsTheyMustBe) {
  std::vector<std::vector<std::string>> rows{{"A", "B"}, {"long one", "x"}};
  EXPECT_EQ(columns(rows), "A         B\nlong one  x\n");
  EXPECT_EQ(process_table({}).substr(0, 3), "PID");
}

}  // namespace
}  // namespace cloche::cli
