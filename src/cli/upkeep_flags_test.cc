#include "cli/upkeep_flags.h"

#include <gmock/gmock.h>

#include <CLI/CLI.hpp>

#include "cli/arguments.h"

namespace cloche::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string parse(std::vector<std::string> words, SandboxConfig& sandbox) {
  CLI::App app("", "run");
  add_upkeep_flags(app, sandbox);
  auto parsed = parse_words(app, words);
  return parsed ? "" : parsed.error().message();
}

TEST(UpkeepFlags, All) {
  SandboxConfig sandbox;
  EXPECT_EQ(parse({"--restart", "on-failure:4", "--health-cmd", "curl x", "--health-interval", "2m",
                   "--health-timeout=500ms", "--health-retries", "7", "--health-start-period", "0", "--cpus-limit",
                   "1.25", "--memory-limit", "1G", "--pids-limit", "99"},
                  sandbox),
            "");
  EXPECT_EQ(sandbox.restart.when, RestartWhen::kOnFailure);
  EXPECT_EQ(sandbox.restart.most, 4u);
  EXPECT_THAT(sandbox.health.command, ElementsAre("sh", "-c", "curl x"));
  EXPECT_EQ(sandbox.health.interval, std::chrono::minutes(2));
  EXPECT_EQ(sandbox.health.timeout, std::chrono::milliseconds(500));
  EXPECT_EQ(sandbox.health.retries, 7u);
  EXPECT_EQ(sandbox.health.start_period.count(), 0);
  EXPECT_EQ(sandbox.limits.cpu_thousandths, 1250u);
  EXPECT_EQ(sandbox.limits.memory_bytes, 1u << 30);
  EXPECT_EQ(sandbox.limits.processes, 99u);
}

TEST(UpkeepFlags, WhatIsWrongIsSaid) {
  SandboxConfig sandbox;
  for (const char* bad : {"", "maybe", "on-failure:", "on-failure:0", "on-failure:x", "always:3", "unless-stopped"})
    EXPECT_THAT(parse({"--restart", bad}, sandbox), HasSubstr("on-failure")) << bad;
  EXPECT_THAT(parse({"--health-cmd", ""}, sandbox), HasSubstr("--health-cmd"));
  EXPECT_THAT(parse({"--health-interval", "0"}, sandbox), HasSubstr("--health-interval"));
  for (const char* bad : {"", ".", "1.", "0", "0.000", "1.2345", "-1", "1,5", "x", "1.x", "9999999"})
    EXPECT_THAT(parse({"--cpus-limit", bad}, sandbox), HasSubstr("--cpus-limit")) << bad;
}

TEST(UpkeepFlags, AShareOfCpus) {
  EXPECT_EQ(parse_cpu_share("2"), 2000u);
  EXPECT_EQ(parse_cpu_share("0.5"), 500u);
  EXPECT_EQ(parse_cpu_share(".5"), 500u);
  EXPECT_EQ(parse_cpu_share("0.001"), 1u);
}

TEST(UpkeepFlags, TheOneThatNeedsASandboxIsNamed) {
  SandboxConfig sandbox;
  EXPECT_EQ(sandbox_flag_of(sandbox), "");
  sandbox.limits.processes = 5;
  EXPECT_EQ(sandbox_flag_of(sandbox), "--pids-limit");
  sandbox.restart.when = RestartWhen::kAlways;
  EXPECT_EQ(sandbox_flag_of(sandbox), "--restart");
  sandbox.labels["team"] = "x";
  EXPECT_EQ(sandbox_flag_of(sandbox), "--label");
  sandbox.name = "box";
  EXPECT_EQ(sandbox_flag_of(sandbox), "--name");
}

}  // namespace
}  // namespace cloche::cli
