// Command lines of `cloche run`, from words to a Config.
#include "cli/run_flags.h"

#include <gmock/gmock.h>

#include <CLI/CLI.hpp>

#include "cli/arguments.h"

namespace cloche::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct ParsedRun {
  RunRequest request;
  std::vector<std::string> command;
  std::string error;
  bool help = false;
};

ParsedRun parse(std::vector<std::string> words) {
  ParsedRun run;
  CLI::App app("", "run");
  add_run_flags(app, run.request);
  auto split = split_arguments(app, words);
  if (!split) {
    run.error = split.error().message();
    return run;
  }
  run.command = split->command;
  auto parsed = parse_flags(app, split->flags);
  if (!parsed) run.error = parsed.error().message();
  run.help = parsed && *parsed == Parsed::kHelp;
  return run;
}

TEST(RunFlags, TheCommandBeginsAtTwoDashesOrAtTheFirstWord) {
  EXPECT_THAT(parse({"--", "ls", "-l"}).command, ElementsAre("ls", "-l"));
  EXPECT_THAT(parse({"ls", "-l", "--", "x"}).command, ElementsAre("ls", "-l", "--", "x"));
  EXPECT_THAT(parse({"--cpus", "2", "ls", "--cpus", "3"}).command, ElementsAre("ls", "--cpus", "3"));
  EXPECT_THAT(parse({"--", "--", "x"}).command, ElementsAre("--", "x"));
  EXPECT_THAT(parse({"-"}).command, ElementsAre("-"));
  EXPECT_THAT(parse({"--memory", "1G"}).command, IsEmpty());
}

TEST(RunFlags, EveryFlag) {
  ParsedRun run = parse({"--rootfs",
                         "/srv/root",
                         "-v",
                         "/a:/b:ro",
                         "--volume=/c:/d",
                         "-w",
                         "/work",
                         "-e",
                         "A=1",
                         "--env=B=2",
                         "-u",
                         "7:8",
                         "--cpus",
                         "4",
                         "--memory",
                         "2G",
                         "--hostname",
                         "box",
                         "--ulimit",
                         "nofile=1:2",
                         "-i",
                         "-t",
                         "--timeout",
                         "90s",
                         "--kernel",
                         "/k",
                         "--console",
                         "/c.log",
                         "--read-only",
                         "--machine=never",
                         "--timings",
                         "--verbose",
                         "--",
                         "x"});
  EXPECT_EQ(run.error, "");
  const Config& config = run.request.config;
  EXPECT_EQ(config.root.path, "/srv/root");
  EXPECT_EQ(config.root.writes, Writes::kRefused);
  ASSERT_EQ(config.shares.size(), 2u);
  EXPECT_EQ(config.shares[0].access, Access::kReadOnly);
  EXPECT_EQ(config.shares[1].host_path, "/c");
  EXPECT_EQ(config.working_directory, "/work");
  EXPECT_THAT(config.environment, ElementsAre("A=1", "B=2"));
  EXPECT_EQ(config.user.uid, 7u);
  EXPECT_EQ(config.user.gid, 8u);
  EXPECT_EQ(config.cpus, 4u);
  EXPECT_EQ(config.memory_mib, 2048u);
  EXPECT_EQ(config.hostname, "box");
  ASSERT_EQ(config.limits.size(), 1u);
  EXPECT_EQ(run.request.input, InputChoice::kAlways);
  EXPECT_EQ(run.request.terminal, TerminalChoice::kWanted);
  EXPECT_EQ(config.timeout, std::chrono::seconds(90));
  EXPECT_EQ(config.kernel_path, "/k");
  EXPECT_EQ(config.console_path, "/c.log");
  EXPECT_EQ(run.request.machine, MachineUse::kNever);
  EXPECT_EQ(run.request.timings, kTimingsTable);
  EXPECT_EQ(config.verbosity, Verbosity::kInfo);
  EXPECT_THAT(run.command, ElementsAre("x"));
}

TEST(RunFlags, Defaults) {
  ParsedRun run = parse({"x"});
  EXPECT_EQ(run.request.config.root.source, RootSource::kHost);
  EXPECT_EQ(run.request.machine, MachineUse::kAuto);
  EXPECT_EQ(run.request.input, InputChoice::kAuto);
  EXPECT_FALSE(run.request.timings);
}

TEST(RunFlags, ShortFlagsClusterAndCarryTheirValue) {
  ParsedRun run = parse({"-it", "-eA=1", "-e=B=2", "-itw/x", "y"});
  EXPECT_EQ(run.error, "");
  EXPECT_EQ(run.request.terminal, TerminalChoice::kWanted);
  EXPECT_EQ(run.request.input, InputChoice::kAlways);
  EXPECT_THAT(run.request.config.environment, ElementsAre("A=1", "B=2"));
  EXPECT_EQ(run.request.config.working_directory, "/x");
}

TEST(RunFlags, ValuesMayLookLikeFlags) {
  ParsedRun run = parse({"-e", "A=-x", "--hostname", "-x", "--", "y"});
  EXPECT_EQ(run.error, "");
  EXPECT_EQ(run.request.config.hostname, "-x");
  EXPECT_THAT(run.command, ElementsAre("y"));
}

TEST(RunFlags, TheLastOneWins) {
  EXPECT_EQ(parse({"--cpus", "2", "--cpus", "3", "x"}).request.config.cpus, 3u);
  EXPECT_EQ(parse({"--read-only", "--rootfs", "/r", "x"}).request.config.root.writes, Writes::kRefused);
}

TEST(RunFlags, TimingsTakesAFileOnlyBehindAnEqualsSign) {
  ParsedRun run = parse({"--timings=trace.json", "x"});
  EXPECT_EQ(run.request.timings, "trace.json");
  run = parse({"--timings", "x"});
  EXPECT_EQ(run.request.timings, kTimingsTable);
  EXPECT_THAT(run.command, ElementsAre("x"));
  run = parse({"--timings", "--cpus", "2", "x"});
  EXPECT_EQ(run.error, "");
  EXPECT_EQ(run.request.config.cpus, 2u);
}

TEST(RunFlags, UnknownFlagsAreNamedWithAGuess) {
  EXPECT_THAT(parse({"--memroy", "1", "x"}).error,
              AllOf(HasSubstr("unknown flag --memroy"), HasSubstr("did you mean --memory?")));
  EXPECT_THAT(parse({"--mem=1", "x"}).error, HasSubstr("--memory"));
  EXPECT_THAT(parse({"--completely-different"}).error,
              AllOf(HasSubstr("unknown flag"), ::testing::Not(HasSubstr("did you mean"))));
  EXPECT_THAT(parse({"-x"}).error, HasSubstr("unknown flag -x"));
  EXPECT_THAT(parse({"-ix"}).error, HasSubstr("unknown flag -x"));
}

TEST(RunFlags, MissingAndUnwantedValues) {
  EXPECT_THAT(parse({"--memory"}).error, HasSubstr("--memory needs a value"));
  EXPECT_THAT(parse({"-v"}).error, HasSubstr("-v needs a value"));
  EXPECT_THAT(parse({"--read-only=yes", "x"}).error, HasSubstr("takes no value"));
  EXPECT_NE(parse({"--memory=", "x"}).error, "");
  EXPECT_NE(parse({"--kernel=", "x"}).error, "");
}

TEST(RunFlags, BadValuesNameTheirFlag) {
  struct Case {
    std::vector<std::string> words;
    const char* flag;
  };
  for (const Case& each :
       {Case{{"--memory", "much"}, "--memory"}, Case{{"--cpus", "-1"}, "--cpus"}, Case{{"-u", "bob"}, "--user"},
        Case{{"-v", "/x"}, "--volume"}, Case{{"--ulimit", "x"}, "--ulimit"}, Case{{"--timeout", "soon"}, "--timeout"},
        Case{{"-e", ""}, "--env"}, Case{{"--env-file", "/nonexistent"}, "--env-file"},
        Case{{"--machine", "maybe"}, "--machine"}, Case{{"--kernel", ""}, "--kernel"},
        Case{{"--disk", "x,y"}, "--disk"}, Case{{"--root-disk", ""}, "--root-disk"}}) {
    EXPECT_THAT(parse(each.words).error, HasSubstr(each.flag)) << each.words[0];
  }
}

TEST(RunFlags, HelpIsRecognised) {
  EXPECT_TRUE(parse({"--help"}).help);
  EXPECT_FALSE(parse({"--", "ls", "--help"}).help);
}

TEST(RunFlags, HelpNamesEveryFlagAndFitsAScreen) {
  RunRequest request;
  CLI::App app("", "run");
  add_run_flags(app, request);
  std::string help = app.help();
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    EXPECT_THAT(help, HasSubstr("--" + option->get_lnames().at(0)));
  }
  EXPECT_THAT(help, AllOf(HasSubstr("Usage: cloche run"), HasSubstr("Examples:"), HasSubstr("125")));
  for (size_t at = 0; at < help.size();) {
    size_t end = std::min(help.find('\n', at), help.size());
    EXPECT_LE(end - at, 100u) << help.substr(at, end - at);
    at = end + 1;
  }
}

TEST(Nearest, OnlyWhatIsNear) {
  std::vector<std::string> known{"--memory", "--machine", "--cpus"};
  EXPECT_EQ(nearest("--memroy", known), "--memory");
  EXPECT_EQ(nearest("--cpu", known), "--cpus");
  EXPECT_EQ(nearest("--banana", known), "");
}

}  // namespace
}  // namespace cloche::cli
