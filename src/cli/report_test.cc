// What people and programs are shown: exit codes, last words, timings, doctor, completion.
#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/completion.h"
#include "cli/doctor.h"
#include "cli/timings.h"
#include "cloche/foreground.h"

namespace cloche::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ExitCodes, AreTheCommandsOwnOrOurs) {
  EXPECT_EQ(exit_code({EndedBy::kExit, 0, {}}), 0);
  EXPECT_EQ(exit_code({EndedBy::kExit, 7, {}}), 7);
  EXPECT_EQ(exit_code({EndedBy::kSignal, 9, {}}), 137);
  EXPECT_EQ(exit_code({EndedBy::kLost, 0, LostReason::kNotFound}), 127);
  EXPECT_EQ(exit_code({EndedBy::kLost, 0, LostReason::kNotExecutable}), 126);
  for (auto reason : {LostReason::kNone, LostReason::kSetupFailed, LostReason::kGuestPanic, LostReason::kInitKilled,
                      LostReason::kTripleFault, LostReason::kGuestReset, LostReason::kTimeout, LostReason::kStopped,
                      LostReason::kCpuError, LostReason::kVmmDied})
    EXPECT_EQ(exit_code({EndedBy::kLost, 0, reason}), 125);
}

TEST(LastWords, AreForWhatIsNotTheCommandsOwnEnd) {
  Outcome outcome;
  outcome.status = {EndedBy::kExit, 3, {}};
  outcome.console_tail = "noise\n";
  EXPECT_EQ(last_words(outcome), "");
  outcome.status = {EndedBy::kLost, 0, LostReason::kGuestPanic};
  outcome.text = "the guest's kernel panicked";
  EXPECT_EQ(last_words(outcome), "cloche: the guest's kernel panicked\nThe guest kernel's last lines:\n  noise\n");
  outcome.status.reason = LostReason::kNotFound;
  EXPECT_EQ(last_words(outcome), "cloche: the guest's kernel panicked\n");
}

std::vector<TimedPhase> some_phases() {
  return {{"boot \"it\"", true, 2'000'000, 5'000'000},
          {"create VM", false, 1'000'000, 2'000'000},
          {"backwards", false, 5'000'000, 4'000'000}};
}

TEST(Timings, TableIsInOrderOfTime) {
  std::string table = timings_table(some_phases());
  EXPECT_LT(table.find("create VM"), table.find("boot"));
  EXPECT_THAT(table, HasSubstr("       1.000         3.000  guest   boot"));
  EXPECT_THAT(table, HasSubstr("4.000  in all"));
  EXPECT_EQ(timings_table({}), "no timings\n");
}

TEST(Timings, TraceIsWhatViewersRead) {
  auto trace = nlohmann::json::parse(timings_trace(some_phases()));
  ASSERT_EQ(trace["traceEvents"].size(), 5u);  // Two names of tracks, three phases.
  const auto& event = trace["traceEvents"][3];
  EXPECT_EQ(event["ph"], "X");
  EXPECT_EQ(event["name"], "boot \"it\"");
  EXPECT_DOUBLE_EQ(event["ts"], 1000.0);
  EXPECT_DOUBLE_EQ(event["dur"], 3000.0);
  EXPECT_EQ(trace["traceEvents"][4]["dur"], 0.0);
}

TEST(Timings, ANameThatIsNoUtf8StillGivesJson) {
  std::vector<TimedPhase> phases{{"\xff\xfe", false, 1, 2}};
  EXPECT_TRUE(nlohmann::json::accept(timings_trace(phases)));
}

TEST(Timings, AFileThatCannotBeWrittenIsNamed) {
  auto written = write_trace("/nonexistent/trace.json", some_phases());
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message(), HasSubstr("/nonexistent/trace.json"));
  EXPECT_FALSE(write_trace("/dev/full", some_phases()));
}

HostReport some_report() {
  return {.checks = {{"kvm", CheckState::kFailed, "missing", "do this"}, {"memory", CheckState::kGood, "plenty", ""}},
          .runs_directly = false,
          .runs_in_machine = true};
}

TEST(Doctor, TextHasEachCheckAndItsRemedy) {
  std::string text = doctor_text(some_report());
  EXPECT_THAT(text, HasSubstr("FAIL  kvm"));
  EXPECT_THAT(text, HasSubstr("-> do this"));
  EXPECT_THAT(text, HasSubstr("emulated machine"));
}

TEST(Doctor, JsonHasTheSame) {
  auto json = nlohmann::json::parse(doctor_json(some_report()));
  EXPECT_EQ(json["checks"][0]["state"], "FAIL");
  EXPECT_EQ(json["checks"][0]["remedy"], "do this");
  EXPECT_EQ(json["runs_in_machine"], true);
}

// The shell's own opinion, where it is installed.
int shell_status(const std::string& command, const std::string& script) {
  std::string path = ::testing::TempDir() + "cloche-completion";
  std::ofstream(path) << script;
  int status = std::system((command + " " + path).c_str());  // NOLINT: fixed commands, a path of ours.
  std::remove(path.c_str());
  return status;
}

TEST(Completion, BashTakesItAndKnowsTheFlags) {
  std::string script = bash_completion();
  EXPECT_EQ(shell_status("bash -n", script), 0);
  EXPECT_THAT(script, HasSubstr("--read-only"));
  EXPECT_THAT(script, Not(HasSubstr("--stdin")));
  // What it answers for `cloche run --mem<TAB>` and for `cloche run --machine <TAB>`.
  std::string ask = script + R"(
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _cloche; echo "${COMPREPLY[*]}"; }
[[ $(ask cloche run --mem) == '--memory --memory-limit' ]] || exit 1
[[ $(ask cloche run --machine '') == 'auto never always' ]] || exit 2
[[ $(ask cloche ru) == run ]] || exit 3
[[ $(ask cloche run --cpus 2 -- tru) == *true* ]] || exit 4
[[ $(ask cloche completion z) == zsh ]] || exit 5
)";
  EXPECT_EQ(shell_status("bash", ask), 0);
}

TEST(Completion, ZshAndFishKnowTheFlags) {
  EXPECT_THAT(zsh_completion(), HasSubstr("'*--machine["));
  EXPECT_THAT(zsh_completion(), HasSubstr(":(auto never always)"));
  EXPECT_THAT(fish_completion(), HasSubstr("-s v -l volume"));
  EXPECT_EQ(shell_status("! command -v zsh >/dev/null || zsh -n", zsh_completion()), 0);
  EXPECT_EQ(shell_status("! command -v fish >/dev/null || fish -n", fish_completion()), 0);
}

}  // namespace
}  // namespace cloche::cli
