// The program `cloche` itself, as users have it, with a cloche-vmm that only pretends (api/testing/fake_vmm.cc).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <algorithm>
#include <fstream>

#include "api/testing/fake_installation.h"

namespace cloche::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A running cloche. Its standard output and error come back over one pipe each; its input is `input`.
class Program {
 public:
  struct Setup {
    int input = -1;  // -1: closed.
    std::vector<std::string> environment{};
    std::vector<int> ignored{};  // Signals.
    int terminal = -1;           // Becomes all three streams and the controlling terminal.
  };
  Program(const std::string& path, std::vector<std::string> words, const Setup& setup) {
    words.insert(words.begin(), path);
    int out[2], err[2];
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(err, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) become(words, setup, out[1], err[1]);
    ::close(out[1]);
    ::close(err[1]);
    out_ = out[0];
    err_ = err[0];
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (running()) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
    ::close(err_);
  }

  // kill(-1) and kill(0) reach processes that are not ours: a signal is sent only to a child that is there.
  bool running() const { return pid_ > 0; }
  void send(int signal) const {
    ASSERT_TRUE(running());
    ::kill(pid_, signal);
  }
  // Reads standard output up to and with `end`; everything, when it is empty.
  std::string out(const std::string& end = "") const { return read_until(out_, end); }
  std::string err() const { return read_until(err_, ""); }
  static std::string read_until(int fd, const std::string& end) {
    std::string text;
    char each;
    while ((end.empty() || !text.ends_with(end)) && ::read(fd, &each, 1) == 1) text += each;
    return text;
  }
  int code() {
    int status = 0;
    if (!running()) return -1000;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  [[noreturn]] static void become(const std::vector<std::string>& words, const Setup& setup, int out, int err) {
    ::dup2(out, 1);
    ::dup2(err, 2);
    if (setup.input >= 0)
      ::dup2(setup.input, 0);
    else
      ::close(0);
    if (setup.terminal >= 0) ::login_tty(setup.terminal);
    // Whoever runs the tests in the background may have had some ignored.
    for (int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE}) ::signal(signal, SIG_DFL);
    for (int signal : setup.ignored) ::signal(signal, SIG_IGN);
    std::vector<char*> arguments, environment;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    for (const std::string& each : setup.environment) environment.push_back(const_cast<char*>(each.c_str()));
    arguments.push_back(nullptr);
    environment.push_back(nullptr);
    ::execve(arguments[0], arguments.data(), environment.data());
    ::_exit(99);
  }
  pid_t pid_;
  int out_ = -1, err_ = -1;
};

class ProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = fake_.path("bin/cloche");
    std::error_code error;
    std::filesystem::create_hard_link(CLOCHE_PROGRAM, path_, error);
    if (error) std::filesystem::copy_file(CLOCHE_PROGRAM, path_);
  }
  // Without this variable it would look for a machine where KVM is none.
  static Program::Setup inside(int input = -1) { return {.input = input, .environment = {"CLOCHE_IN_MACHINE=1"}}; }

  struct Ended {
    int code;
    std::string out, err;
  };
  Ended run(std::vector<std::string> words, const Program::Setup& setup) {
    Program program(path_, std::move(words), setup);
    std::string out = program.out(), err = program.err();
    return {program.code(), out, err};
  }
  Ended run(std::vector<std::string> words) { return run(std::move(words), inside()); }

  FakeInstallation fake_{CLOCHE_FAKE_VMM};
  std::string path_;
};

TEST_F(ProgramTest, ExitCodesPassThrough) {
  EXPECT_EQ(run({"run", "--", "exit", "7"}).code, 7);
  EXPECT_EQ(run({"run", "--", "signaled", "15"}).code, 143);
  EXPECT_EQ(run({"run", "--", "not-found"}).code, 127);
  EXPECT_EQ(run({"run", "--", "not-runnable"}).code, 126);
  Ended good = run({"run", "--", "exit", "0"});
  EXPECT_EQ(good.code, 0);
  EXPECT_EQ(good.out + good.err, "");
}

TEST_F(ProgramTest, WhatIsOursIs125AndOneLine) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"run", "--", "die", "9"},
                                                                 {"run", "--", "garbage"},
                                                                 {"run", "--", "fail"},
                                                                 {"run"},
                                                                 {"run", "--bogus", "x"},
                                                                 {"run", "--memory", "0", "x"},
                                                                 {"run", "--memory", "1", "x"},
                                                                 {"run", "--memory", "900T", "x"},
                                                                 {"run", "--cpus", "0", "x"},
                                                                 {"run", "--cpus", "1000", "x"},
                                                                 {"run", "--rootfs", "/nonexistent", "x"},
                                                                 {"run", "--rootfs", "/etc/passwd", "x"},
                                                                 {"run", "-v", "/nonexistent:/x", "x"},
                                                                 {"run", "-v", "/tmp:x", "x"},
                                                                 {"run", "--kernel", "/etc/passwd", "x"},
                                                                 {"run", "--kernel", "/dev/null", "x"},
                                                                 {"run", "-t", "x"},
                                                                 {"doctor", "--bogus"},
                                                                 {"completion"},
                                                                 {"machine"},
                                                                 {"machine", "bogus"},
                                                                 {"pool"},
                                                                 {"pool", "bogus"},
                                                                 {"pool", "serve"},
                                                                 {"pool", "acquire"},
                                                                 {"pool", "release", "x"},
                                                                 {"bogus"},
                                                                 {"--bogus"}}) {
    Ended ended = run(words);
    EXPECT_EQ(ended.code, 125) << words.back();
    EXPECT_EQ(ended.out, "");
    EXPECT_THAT(ended.err, StartsWith("cloche: "));
    EXPECT_EQ(std::ranges::count(ended.err, '\n'), 1) << ended.err;
  }
}

TEST_F(ProgramTest, AGuestsDeathShowsItsLastLines) {
  Ended ended = run({"run", "--", "lose", "1"});
  EXPECT_EQ(ended.code, 125);
  EXPECT_THAT(ended.err, AllOf(StartsWith("cloche: "), HasSubstr("\n  last line\n")));
}

TEST_F(ProgramTest, APipeIsCarriedWithoutBeingAsked) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::write(ends[1], "hello", 5), 5);
  ::close(ends[1]);
  Ended ended = run({"run", "--", "cat"}, inside(ends[0]));
  ::close(ends[0]);
  EXPECT_EQ(ended.out, "hello");
}

TEST_F(ProgramTest, ClosedStandardStreamsAreNoTrouble) {
  Ended ended = run({"run", "--", "fds"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.out, "0 1 2 3 ");
}

TEST_F(ProgramTest, SignalsGoToTheCommand) {
  Program program(path_, {"run", "--", "obey"}, inside());
  EXPECT_EQ(program.out("\n"), "ready\n");
  for (int signal : {SIGHUP, SIGQUIT, SIGUSR2, SIGINT}) {
    program.send(signal);
    EXPECT_EQ(program.out("\n"), "signal " + std::to_string(signal) + "\n");
  }
  program.send(SIGUSR1);
  EXPECT_EQ(program.out("\n"), "signal 10\n");
  EXPECT_EQ(program.code(), 128 + SIGUSR1);
}

TEST_F(ProgramTest, TheThirdRequestEndsTheVm) {
  Program program(path_, {"run", "--", "obey"}, inside());
  EXPECT_EQ(program.out("\n"), "ready\n");
  program.send(SIGINT);
  EXPECT_EQ(program.out("\n"), "signal 2\n");
  program.send(SIGTERM);
  EXPECT_EQ(program.out("\n"), "signal 15\n");
  program.send(SIGINT);
  EXPECT_EQ(program.code(), 125);
}

TEST_F(ProgramTest, WhatWasIgnoredStaysIgnored) {
  Program::Setup setup = inside();
  setup.ignored = {SIGHUP};
  Program program(path_, {"run", "--", "obey"}, setup);
  EXPECT_EQ(program.out("\n"), "ready\n");
  program.send(SIGHUP);
  program.send(SIGUSR1);
  EXPECT_EQ(program.out("\n"), "signal 10\n");
}

// A terminal of ours, and whether it is as it was.
class PtyTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    winsize size{.ws_row = 30, .ws_col = 100, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(::openpty(&master_, &slave_, nullptr, nullptr, &size), 0);
    ::fcntl(master_, F_SETFD, FD_CLOEXEC);
    before_ = mode();
  }
  void TearDown() override {
    ::close(master_);
    ::close(slave_);
  }
  termios mode() const {
    termios now{};
    EXPECT_EQ(::tcgetattr(slave_, &now), 0);
    return now;
  }
  bool is_raw() const { return (mode().c_lflag & (ICANON | ECHO)) == 0; }
  void expect_restored() const {
    termios now = mode();
    EXPECT_EQ(now.c_lflag, before_.c_lflag);
    EXPECT_EQ(now.c_iflag, before_.c_iflag);
    EXPECT_EQ(now.c_oflag, before_.c_oflag);
  }
  Program::Setup on_terminal() {
    Program::Setup setup = inside();
    setup.terminal = ::fcntl(slave_, F_DUPFD_CLOEXEC, 10);
    return setup;
  }
  std::string screen(const std::string& end) const { return Program::read_until(master_, end); }

  int master_ = -1, slave_ = -1;
  termios before_{};
};

TEST_F(PtyTest, TheTerminalIsRawThenRestored) {
  Program program(path_, {"run", "-it", "--", "obey"}, on_terminal());
  EXPECT_THAT(screen("ready\n"), HasSubstr("ready"));
  EXPECT_TRUE(is_raw());
  winsize size{.ws_row = 50, .ws_col = 132, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(::ioctl(master_, TIOCSWINSZ, &size), 0);
  EXPECT_THAT(screen("\n"), HasSubstr("size 50x132"));
  program.send(SIGUSR1);
  EXPECT_EQ(program.code(), 128 + SIGUSR1);
  expect_restored();
}

TEST_F(PtyTest, ItIsRestoredWhenTheVmsProcessIsKilled) {
  Program program(path_, {"run", "-t", "--", "die", "9"}, on_terminal());
  EXPECT_EQ(program.code(), 125);
  expect_restored();
  EXPECT_THAT(screen("memory\r\n"), HasSubstr("killed by signal 9"));
}

TEST_F(PtyTest, ItIsRestoredWhenWeAreToldToEnd) {
  for (int signal : {SIGTERM, SIGINT}) {
    Program program(path_, {"run", "-t", "--", "obey"}, on_terminal());
    screen("ready\n");
    for (int i = 0; i < 3; ++i) {
      program.send(signal);
      if (i < 2) screen("signal " + std::to_string(signal) + "\n");
    }
    EXPECT_EQ(program.code(), 125);
    expect_restored();
  }
}

TEST_F(PtyTest, WithoutTheFlagItIsLeftAlone) {
  Program program(path_, {"run", "--", "obey"}, on_terminal());
  screen("ready\r\n");
  EXPECT_FALSE(is_raw());
  program.send(SIGUSR1);
  EXPECT_EQ(program.code(), 128 + SIGUSR1);
}

TEST_F(ProgramTest, TimingsAsATableAndAsAFile) {
  EXPECT_THAT(run({"run", "--timings", "--", "exit", "3"}).err, AllOf(HasSubstr("took ms"), HasSubstr("in the guest")));
  std::string trace = fake_.path("trace.json");
  Ended ended = run({"run", "--timings=" + trace, "--", "exit", "3"});
  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.err, "");
  std::string text;
  std::getline(std::ifstream(trace), text, '\0');
  EXPECT_THAT(text, HasSubstr("traceEvents"));
  EXPECT_EQ(run({"run", "--timings=/nonexistent/t", "--", "exit", "3"}).code, 125);
}

TEST_F(ProgramTest, MachineNeverSaysWhy) {
  // A measurement that says software; where there is no /dev/kvm at all, that is the reason.
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  std::filesystem::permissions(fake_.make_directory("run/cloche"), std::filesystem::perms::owner_all);
  fake_.write("run/cloche/kvm-speed", boot + " 1100000\n");
  Ended ended =
      run({"run", "--machine=never", "--", "exit", "0"}, {.environment = {"XDG_RUNTIME_DIR=" + fake_.path("run")}});
  EXPECT_EQ(ended.code, 125);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("KVM"), HasSubstr("--machine=never"), HasSubstr(";")));
}

TEST_F(ProgramTest, HelpAndVersionGoToStandardOutput) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"--help"},
                                                                 {"help"},
                                                                 {"help", "run"},
                                                                 {"run", "--help"},
                                                                 {"doctor", "--help"},
                                                                 {"help", "machine"},
                                                                 {"version"},
                                                                 {"--version"}}) {
    Ended ended = run(words);
    EXPECT_EQ(ended.code, 0) << words[0];
    EXPECT_THAT(ended.out, HasSubstr("cloche"));
    EXPECT_EQ(ended.err, "");
  }
}

TEST_F(ProgramTest, QuietSilencesNotes) {
  bool noted = run({"run", "--cpus", "16", "exit", "0"}).err.find("take turns") != std::string::npos;
  EXPECT_EQ(noted, ::sysconf(_SC_NPROCESSORS_ONLN) < 16);
  EXPECT_EQ(run({"-q", "run", "--cpus", "16", "exit", "0"}).err, "");
  EXPECT_EQ(run({"run", "-q", "--cpus", "16", "exit", "0"}).err, "");
}

}  // namespace
}  // namespace cloche::cli
