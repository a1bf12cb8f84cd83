// Vm against a cloche-vmm that behaves, misbehaves, dies and hangs.
#include "cloche/vm.h"

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>

#include "api/testing/fake_installation.h"
#include "base/fd.h"
#include "wire/vmm.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class VmTest : public ::testing::Test {
 protected:
  // What the fake VMM is to do; its output comes back in output().
  Config config(std::vector<std::string> arguments) {
    Config config{.arguments = std::move(arguments)};
    config.installation = fake_.directory();
    config.streams = {.input = -1, .output = output_end_.get(), .error = 2};
    return config;
  }
  Outcome run(Config config) {
    auto vm = Vm::create(std::move(config));
    if (!vm || !vm->start()) {
      ADD_FAILURE() << (vm ? "it did not start" : vm.error().message());
      return {};
    }
    auto outcome = vm->wait();
    if (!outcome) ADD_FAILURE() << outcome.error().message();
    return outcome.value_or(Outcome{});
  }
  Outcome run(std::vector<std::string> arguments) { return run(config(std::move(arguments))); }
  std::string output() {
    output_end_.reset();
    std::string text(1 << 16, '\0');
    text.resize(read_full(input_end_.get(), std::as_writable_bytes(std::span(text))).value());
    return text;
  }
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    input_end_ = Fd(ends[0]);
    output_end_ = Fd(ends[1]);
  }
  // No child is left over, not even as a zombie.
  void TearDown() override {
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }
  static size_t open_descriptors() {
    DIR* directory = ::opendir("/proc/self/fd");
    size_t count = 0;
    while (::readdir(directory) != nullptr) ++count;
    ::closedir(directory);
    return count;
  }

  FakeInstallation fake_{CLOCHE_FAKE_VMM};
  Fd input_end_, output_end_;
};

TEST_F(VmTest, ExitCodeAndPhasesComeBack) {
  Outcome outcome = run({"exit", "7"});
  EXPECT_EQ(outcome.status.by, EndedBy::kExit);
  EXPECT_EQ(outcome.status.value, 7);
  ASSERT_EQ(outcome.phases.size(), 4u);
  EXPECT_EQ(outcome.phases.front().name, "check configuration");
  EXPECT_EQ(outcome.phases[2].name, "in the guest");
  EXPECT_TRUE(outcome.phases[2].in_guest);
  EXPECT_EQ(outcome.phases.back().name, "free the VM");
}

TEST_F(VmTest, SignalsComeBack) {
  Outcome outcome = run({"signaled", "15"});
  EXPECT_EQ(outcome.status.by, EndedBy::kSignal);
  EXPECT_EQ(outcome.status.value, 15);
}

TEST_F(VmTest, AnImpossibleSignalIsNoSignal) {
  EXPECT_EQ(run({"signaled", "0"}).status.reason, LostReason::kGuestReset);
  EXPECT_EQ(run({"signaled", "999"}).status.by, EndedBy::kLost);
}

TEST_F(VmTest, CommandsThatCannotRunSayWhy) {
  Outcome missing = run({"not-found"});
  EXPECT_EQ(missing.status.reason, LostReason::kNotFound);
  EXPECT_EQ(missing.text, "nosuch\\x1b]0;: not found in the guest");
  Outcome refused = run({"not-runnable"});
  EXPECT_EQ(refused.status.reason, LostReason::kNotExecutable);
  EXPECT_THAT(refused.text, HasSubstr("Permission denied"));
  Outcome setup = run({"setup"});
  EXPECT_EQ(setup.status.reason, LostReason::kSetupFailed);
  EXPECT_THAT(setup.text, HasSubstr("mount share /data"));
}

TEST_F(VmTest, EachWayToLoseAVmHasItsReason) {
  struct Case {
    wire::VmEnd end;
    LostReason reason;
  };
  for (Case each :
       {Case{wire::VmEnd::kPanic, LostReason::kGuestPanic}, Case{wire::VmEnd::kInitKilled, LostReason::kInitKilled},
        Case{wire::VmEnd::kTripleFault, LostReason::kTripleFault}, Case{wire::VmEnd::kReset, LostReason::kGuestReset},
        Case{wire::VmEnd::kTimeout, LostReason::kTimeout}, Case{wire::VmEnd::kCpuError, LostReason::kCpuError},
        Case{wire::VmEnd::kStopped, LostReason::kStopped}}) {
    Outcome outcome = run({"lose", std::to_string(static_cast<int>(each.end))});
    EXPECT_EQ(outcome.status.by, EndedBy::kLost);
    EXPECT_EQ(outcome.status.reason, each.reason);
    EXPECT_EQ(outcome.text, "detail \\x1b[31m");
    EXPECT_EQ(outcome.console_tail, "last line\nand \\x1b one more\n");
    EXPECT_EQ(outcome.guest_faults, 3u);
  }
}

TEST_F(VmTest, AProcessThatDiesIsLostAndNamed) {
  Outcome killed = run({"die", "9"});
  EXPECT_EQ(killed.status.reason, LostReason::kVmmDied);
  EXPECT_THAT(killed.text, HasSubstr("killed by signal 9"));
  EXPECT_THAT(run({"die", "11"}).text, HasSubstr("killed by signal 11"));
  Outcome left = run({"leave", "0"});
  EXPECT_EQ(left.status.by, EndedBy::kLost);
  EXPECT_THAT(left.text, HasSubstr("without a report"));
}

TEST_F(VmTest, WhatItMustNotSayEndsIt) {
  for (const char* act : {"garbage", "wrong-frame", "huge"}) {
    Outcome outcome = run({act});
    EXPECT_EQ(outcome.status.reason, LostReason::kVmmDied) << act;
    EXPECT_THAT(outcome.text, HasSubstr("must not"));
  }
}

TEST_F(VmTest, AFailureToStartIsAnError) {
  auto vm = Vm::create(config({"fail"}));
  ASSERT_TRUE(vm && vm->start());
  auto outcome = vm->wait();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(outcome.error().message(), "open /dev/kvm: No such file or directory");
}

TEST_F(VmTest, LogLinesReachTheCallerPrintable) {
  std::string lines;
  Config noisy = config({"log"});
  noisy.log = [&](Verbosity verbosity, std::string_view line) {
    EXPECT_EQ(verbosity, Verbosity::kWarning);
    lines += line;
  };
  run(std::move(noisy));
  EXPECT_EQ(lines, "a warning \\x1b[2J");
}

TEST_F(VmTest, ItHasTheStreamsItsSocketAndNothingElse) {
  Fd other(::open("/dev/null", O_RDONLY));  // Without close-on-exec.
  run({"fds"});
  EXPECT_EQ(output(), "0 1 2 3 ");
}

TEST_F(VmTest, StreamsMayStandInEachOthersPlaces) {
  // The pipe's end as fd 0 of the parent, to become 1 of the child, while 2 is to become 0.
  Fd saved(::fcntl(0, F_DUPFD_CLOEXEC, 10));
  ASSERT_EQ(::dup2(output_end_.get(), 0), 0);
  Config swapped = config({"fds"});
  swapped.streams = {.input = 2, .output = 0, .error = 1};
  run(std::move(swapped));
  ::dup2(saved.get(), 0);
  EXPECT_EQ(output(), "0 1 2 3 ");
}

TEST_F(VmTest, NothingOfTheCallersEnvironmentReachesTheProcess) {
  ::setenv("HOME", "/somewhere", 1);
  run({"environment"});
  EXPECT_EQ(output(), "HOME is unset");
}

TEST_F(VmTest, InputIsInherited) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd reader(ends[0]), writer(ends[1]);
  std::string text = "through\n";
  ASSERT_TRUE(write_full(writer.get(), std::as_bytes(std::span(text))));
  writer.reset();
  Config piped = config({"cat"});
  piped.input = Input::kCarried;
  piped.streams.input = reader.get();
  run(std::move(piped));
  EXPECT_EQ(output(), text);
}

TEST_F(VmTest, CommandsArriveAndKillEnds) {
  auto vm = Vm::create(config({"obey"}));
  ASSERT_TRUE(vm && vm->start());
  EXPECT_TRUE(vm->signal(SIGHUP));
  EXPECT_TRUE(vm->resize({50, 132}));
  EXPECT_FALSE(vm->signal(0));
  EXPECT_FALSE(vm->signal(99));
  EXPECT_TRUE(vm->kill());
  auto outcome = vm->wait();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status.reason, LostReason::kStopped);
  EXPECT_EQ(output(), "ready\nsignal 1\nsize 50x132\n");
  EXPECT_FALSE(vm->signal(SIGHUP));
  EXPECT_FALSE(vm->wait());
}

TEST_F(VmTest, PauseAndResumeAreAnswered) {
  auto vm = Vm::create(config({"obey"}));
  ASSERT_TRUE(vm);
  EXPECT_FALSE(vm->pause());
  ASSERT_TRUE(vm->start());
  EXPECT_TRUE(vm->pause());
  EXPECT_TRUE(vm->pause());
  auto resumed = vm->resume();
  ASSERT_FALSE(resumed);
  EXPECT_EQ(resumed.error().message(), "resume the VM: no \\x1b way");
  EXPECT_TRUE(vm->kill());
  EXPECT_TRUE(vm->wait());
  EXPECT_EQ(output(), "ready\npause\npause\nresume\n");
  EXPECT_FALSE(vm->resume());
}

TEST_F(VmTest, PausingOneThatEndsIsAnErrorAndItsOutcomeStays) {
  auto vm = Vm::create(config({"linger"}));  // Nothing comes from the socket after its report, not even its end.
  ASSERT_TRUE(vm && vm->start());
  auto paused = vm->pause();
  ASSERT_FALSE(paused);
  EXPECT_EQ(paused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(vm->wait_ms(), 0);
  auto outcome = vm->wait();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status.by, EndedBy::kExit);
}

TEST_F(VmTest, TryWaitDoesNotBlockAndEventFdTells) {
  auto vm = Vm::create(config({"obey"}));
  ASSERT_TRUE(vm && vm->start());
  ASSERT_TRUE(vm->signal(SIGUSR1));
  for (int i = 0; i < 100; ++i) {
    auto outcome = vm->try_wait();
    ASSERT_TRUE(outcome);
    if (*outcome) {
      EXPECT_EQ((*outcome)->status.value, SIGUSR1);
      return;
    }
    pollfd readable{vm->event_fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&readable, 1, 10'000), 1);
  }
  FAIL() << "it did not end";
}

TEST_F(VmTest, OneThatHangsIsEndedAfterItsTimeout) {
  Config slow = config({"hang"});
  slow.timeout = 100ms;
  auto begin = std::chrono::steady_clock::now();
  Outcome outcome = run(std::move(slow));
  EXPECT_EQ(outcome.status.reason, LostReason::kTimeout);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST_F(VmTest, OneThatDoesNotStopIsEnded) {
  auto vm = Vm::create(config({"hang"}));
  ASSERT_TRUE(vm && vm->start());
  ASSERT_TRUE(vm->kill());
  auto outcome = vm->wait();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status.reason, LostReason::kStopped);
}

TEST_F(VmTest, OneThatLingersAfterItsReportIsEnded) {
  Outcome outcome = run({"linger"});
  EXPECT_EQ(outcome.status.by, EndedBy::kExit);
}

TEST_F(VmTest, DestroyingEndsIt) {
  auto vm = Vm::create(config({"hang"}));
  ASSERT_TRUE(vm && vm->start());
}

TEST_F(VmTest, StartsOnce) {
  auto vm = Vm::create(config({"exit"}));
  ASSERT_TRUE(vm && vm->start());
  EXPECT_FALSE(vm->start());
  EXPECT_TRUE(vm->wait());
  EXPECT_FALSE(vm->start());
}

TEST_F(VmTest, WaitingForOneThatWasNotStartedIsAnError) {
  auto vm = Vm::create(config({"exit"}));
  ASSERT_TRUE(vm);
  EXPECT_FALSE(vm->wait());
  EXPECT_FALSE(vm->kill());
}

TEST_F(VmTest, AProgramThatIsNotOneIsAnErrorAtStart) {
  std::string vmm = fake_.path("libexec/cloche/cloche-vmm");
  ASSERT_EQ(::unlink(vmm.c_str()), 0);
  fake_.write("libexec/cloche/cloche-vmm", "not a program");
  ASSERT_EQ(::chmod(vmm.c_str(), 0755), 0);
  auto vm = Vm::create(config({"exit"}));
  ASSERT_TRUE(vm);
  auto started = vm->start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(), HasSubstr(vmm));
}

TEST_F(VmTest, AScriptThatTalksNonsenseIsLost) {
  std::string vmm = fake_.path("libexec/cloche/cloche-vmm");
  ASSERT_EQ(::unlink(vmm.c_str()), 0);
  fake_.write("libexec/cloche/cloche-vmm", "#!/bin/sh\necho hello >&3\n");
  ASSERT_EQ(::chmod(vmm.c_str(), 0755), 0);
  EXPECT_EQ(run({"exit"}).status.reason, LostReason::kVmmDied);
}

TEST_F(VmTest, ManyAtOnceAndNothingIsLeft) {
  size_t before = open_descriptors();
  {
    std::vector<Vm> vms;
    for (int i = 0; i < 20; ++i) vms.push_back(Vm::create(config({"exit", std::to_string(i)})).value());
    for (Vm& vm : vms) ASSERT_TRUE(vm.start());
    for (int i = 0; i < 20; ++i) EXPECT_EQ(vms[static_cast<size_t>(i)].wait().value().status.value, i);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(VmTest, ALargeEnvironmentArrives) {
  Config large = config({"show"});
  for (int i = 0; i < 1000; ++i)
    large.environment.push_back("VARIABLE" + std::to_string(i) + "=" + std::string(1000, 'x'));
  run(std::move(large));
  EXPECT_EQ(output(), "/ cloche 512");
}

}  // namespace
}  // namespace cloche
