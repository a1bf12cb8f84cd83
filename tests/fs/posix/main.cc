// fs_posix: how a file system behaves, call by call. Run on a host's file system and on a share of it in a guest, it
// must give the same answers.
//
// usage: fs_posix DIR [--only NAME]... [--list] [--answers FILE] [--without FEATURE]...
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "checks.h"

namespace cloche::posix {
namespace {

constexpr int kDeadlineMs = 120'000;

struct Options {
  std::string directory;
  std::vector<std::string> only, without;
  int answers = -1;
  bool list = false;
};

struct Totals {
  int passed = 0, failed = 0;
};

bool needs_feature(Needs needs, std::string_view feature) {
  switch (needs) {
    case Needs::kNothing:
      return false;
    case Needs::kRoot:
      return feature == "root";
    case Needs::kDevices:
      return feature == "devices" || feature == "root";
    case Needs::kUserXattr:
      return feature == "user-xattr";
    case Needs::kRootAndXattr:
      return feature == "user-xattr" || feature == "root";
    case Needs::kTmpfile:
      return feature == "tmpfile";
    case Needs::kWhiteout:
      return feature == "whiteout";
    case Needs::kDirect:
      return feature == "direct";
  }
  return false;
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (auto group :
       {chmod_cases,    chown_cases, open_cases,   make_cases,    link_cases,   rename_cases, symlink_cases,
        truncate_cases, time_cases,  name_cases,   xattr_cases,   io_cases,     space_cases,  dir_cases,
        lock_cases,     map_cases,   sticky_cases, special_cases, access_cases, path_cases})
    for (const Case& each : group()) all.push_back(each);
  return all;
}

// In the child: runs the case in a new directory and reports its counts.
[[noreturn]] void run_here(const Case& each, const Options& options, Devices devices, int report) {
  std::string place = options.directory + "/" + each.name;
  Totals totals{0, 1};
  ::umask(0);
  if (::mkdir(place.c_str(), 0755) == 0 && ::chdir(place.c_str()) == 0) {
    ::umask(022);
    Checks checks(each.name, options.answers, devices);
    each.run(checks);
    totals = {checks.passed(), checks.failed()};
  } else {
    std::printf("FAIL %s: cannot make %s: %s\n", each.name, place.c_str(), std::strerror(errno));
    std::fflush(stdout);
  }
  [[maybe_unused]] ssize_t done = ::write(report, &totals, sizeof totals);
  ::_exit(0);
}

// What is left of it goes; rm is there on every system, and slow only where a case failed to clean up.
void remove_tree(const std::string& path) {
  if (::rmdir(path.c_str()) == 0) return;
  pid_t child = ::fork();
  if (child == 0) {
    ::execlp("rm", "rm", "-rf", "--", path.c_str(), nullptr);
    ::_exit(127);
  }
  ::waitpid(child, nullptr, 0);
}

Totals run_case(const Case& each, const Options& options, Devices devices) {
  int report[2];
  if (::pipe2(report, O_CLOEXEC) < 0) return {0, 1};
  pid_t child = ::fork();
  if (child == 0) {
    ::setpgid(0, 0);
    run_here(each, options, devices, report[1]);
  }
  ::close(report[1]);
  pollfd wait{report[0], POLLIN, 0};
  Totals totals{0, 1};
  bool in_time = ::poll(&wait, 1, kDeadlineMs) > 0;
  bool reported = in_time && ::read(report[0], &totals, sizeof totals) == sizeof totals;
  if (!reported) {
    std::printf("FAIL %s: %s\n", each.name, in_time ? "it crashed" : "it hangs");
    totals = {0, 1};
    if (child > 0) ::kill(-child, SIGKILL);
  }
  ::close(report[0]);
  ::waitpid(child, nullptr, 0);
  remove_tree(options.directory + "/" + each.name);
  return totals;
}

bool has_user_xattr(const std::string& directory) {
  return ::setxattr(directory.c_str(), "user.fs_posix", "x", 1, 0) == 0 &&
         ::removexattr(directory.c_str(), "user.fs_posix") == 0;
}

bool has_whiteout(const std::string& directory) {
  std::string from = directory + "/whiteout-from", to = directory + "/whiteout-to";
  put(from, "");
  bool has = ::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_WHITEOUT) == 0;
  ::unlink(from.c_str());
  ::unlink(to.c_str());
  return has;
}

// Not on every file system: tmpfs has it since Linux 6.6.
bool has_direct(const std::string& directory) {
  std::string path = directory + "/direct";
  bool has = File(path, O_CREAT | O_RDWR | O_DIRECT).error() == 0;
  ::unlink(path.c_str());
  return has;
}

// What this file system or this user lacks, and what was asked to be left out.
std::vector<std::string> missing(const Options& options) {
  std::vector<std::string> out = options.without;
  if (::geteuid() != 0) out.push_back("root");
  if (!has_user_xattr(options.directory)) out.push_back("user-xattr");
  if (File(options.directory, O_TMPFILE | O_RDWR).error() != 0) out.push_back("tmpfile");
  if (!has_direct(options.directory)) out.push_back("direct");
  if (!has_whiteout(options.directory)) out.push_back("whiteout");
  return out;
}

int run_all(const Options& options) {
  Totals totals;
  std::vector<std::string> lacking = missing(options);
  std::vector<int> left_out(lacking.size());
  bool can_make_devices =
      std::ranges::none_of(lacking, [](const std::string& one) { return one == "root" || one == "devices"; });
  Devices devices = can_make_devices ? Devices::kYes : Devices::kNo;
  for (const Case& each : all_cases()) {
    auto named = [&](const std::string& part) { return std::string_view(each.name).find(part) != std::string::npos; };
    if (!options.only.empty() && std::ranges::none_of(options.only, named)) continue;
    if (options.list) {
      std::printf("%s\n", each.name);
      continue;
    }
    auto lacks = std::ranges::find_if(lacking, [&](const std::string& one) { return needs_feature(each.needs, one); });
    if (lacks != lacking.end()) {
      ++left_out[static_cast<size_t>(lacks - lacking.begin())];
      continue;
    }
    Totals one = run_case(each, options, devices);
    totals.passed += one.passed;
    totals.failed += one.failed;
    std::fflush(stdout);
  }
  if (options.list) return 0;
  for (size_t i = 0; i < lacking.size(); ++i)
    if (left_out[i] > 0) std::printf("without %s: %d cases not run\n", lacking[i].c_str(), left_out[i]);
  std::printf("%d passed, %d failed\n", totals.passed, totals.failed);
  return totals.failed == 0 && totals.passed > 0 ? 0 : 1;
}

int usage() {
  std::fprintf(stderr, "usage: fs_posix DIR [--only NAME]... [--list] [--answers FILE] [--without FEATURE]...\n");
  return 2;
}

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    bool valued = i + 1 < argc;
    if (word == "--list") {
      options.list = true;
    } else if (word == "--only" && valued) {
      options.only.emplace_back(argv[++i]);
    } else if (word == "--without" && valued) {
      options.without.emplace_back(argv[++i]);
    } else if (word == "--answers" && valued) {
      options.answers = ::open(argv[++i], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    } else if (!word.starts_with("--") && options.directory.empty()) {
      options.directory = word;
    } else {
      return usage();
    }
  }
  if (options.directory.empty()) return usage();
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  return run_all(options);
}

}  // namespace
}  // namespace cloche::posix

int main(int argc, char** argv) { return cloche::posix::main(argc, argv); }
