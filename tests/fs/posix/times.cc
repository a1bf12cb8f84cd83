// utimensat(2), futimens(3).
#include "checks.h"

#include <time.h>

namespace cloche::posix {
namespace {

int set(const char* path, timespec access, timespec change, int flags = 0) {
  timespec times[2]{access, change};
  return err(::utimensat(AT_FDCWD, path, times, flags));
}

std::string times_of(const char* path) {
  struct stat found = status(path);
  auto one = [](const timespec& time) { return std::to_string(time.tv_sec) + "." + std::to_string(time.tv_nsec); };
  return one(found.st_atim) + " " + one(found.st_mtim);
}

bool is_recent(const timespec& time) { return ::time(nullptr) - time.tv_sec < 100; }

void values(Checks& check) {
  for (Type type : check.types()) {
    std::string what = name_of(type);
    make(type, "n");
    for (long second : {0L, 1L, 1'000'000'000L, 2'147'483'647L, 2'147'483'648L, 4'294'967'296L, -1L, -86'400L}) {
      Moment before("n");
      check.ok(what, set("n", {second, 999'999'999}, {second + 5, 1}, AT_SYMLINK_NOFOLLOW));
      std::string expected = std::to_string(second) + ".999999999 " + std::to_string(second + 5) + ".1";
      check.text(what + " times", times_of("n"), expected);
      check.yes(what + " ctime", before.changed().find("ctime") != std::string::npos);
    }
    remove_any("n");
  }
}

void now_and_omit(Checks& check) {
  put("file", "");
  set("file", {100, 5}, {200, 6});
  check.ok("omit both", set("file", {0, UTIME_OMIT}, {0, UTIME_OMIT}));
  check.text("unchanged", times_of("file"), "100.5 200.6");
  check.ok("omit access", set("file", {0, UTIME_OMIT}, {300, 7}));
  check.text("one", times_of("file"), "100.5 300.7");
  check.ok("omit change", set("file", {400, 8}, {0, UTIME_OMIT}));
  check.text("the other", times_of("file"), "400.8 300.7");
  check.ok("access now", set("file", {0, UTIME_NOW}, {0, UTIME_OMIT}));
  check.yes("recent", is_recent(status("file").st_atim) && status("file").st_mtim.tv_sec == 300);
  check.ok("both now", set("file", {0, UTIME_NOW}, {0, UTIME_NOW}));
  check.yes("recent", is_recent(status("file").st_atim) && is_recent(status("file").st_mtim));
  set("file", {100, 5}, {200, 6});
  check.ok("no times", err(::utimensat(AT_FDCWD, "file", nullptr, 0)));
  check.yes("recent", is_recent(status("file").st_mtim));
  File file("file", O_RDONLY);
  timespec times[2]{{9, 9}, {8, 8}};
  check.ok("futimens of a reader", err(::futimens(file.fd(), times)));
  check.text("times", times_of("file"), "9.9 8.8");
}

void links(Checks& check) {
  put("file", "");
  ::symlink("file", "link");
  set("file", {1, 1}, {2, 2});
  check.ok("link itself", set("link", {3, 3}, {4, 4}, AT_SYMLINK_NOFOLLOW));
  check.text("file", times_of("file"), "1.1 2.2");
  check.text("link", times_of("link"), "3.3 4.4");
  check.ok("through the link", set("link", {5, 5}, {6, 6}));
  check.text("file", times_of("file"), "5.5 6.6");
}

void errors(Checks& check) {
  put("file", "");
  ::symlink("loop", "loop");
  check.is("bad nanoseconds", set("file", {1, 1'000'000'000}, {1, 1}), EINVAL);
  check.is("negative nanoseconds", set("file", {1, 1}, {1, -5}), EINVAL);
  check.is("bad flag", set("file", {1, 1}, {1, 1}, 0x40000), EINVAL);
  check.is("missing", set("none", {1, 1}, {1, 1}), ENOENT);
  check.is("below a file", set("file/x", {1, 1}, {1, 1}), ENOTDIR);
  check.is("loop", set("loop", {1, 1}, {1, 1}), ELOOP);
  check.is("256 bytes", set(long_name(256).c_str(), {1, 1}, {1, 1}), ENAMETOOLONG);
}

void permissions(Checks& check) {
  put("file", "");
  ::chown("file", kUser, kUser);
  auto all_three = [&](const char* who, int explicit_times, int now) {
    std::string what = who;
    check.is(what + " times", set("file", {1, 1}, {1, 1}), explicit_times);
    check.is(what + " one of them", set("file", {0, UTIME_NOW}, {0, UTIME_OMIT}), explicit_times);
    check.is(what + " now", set("file", {0, UTIME_NOW}, {0, UTIME_NOW}), now);
    check.ok(what + " none", set("file", {0, UTIME_OMIT}, {0, UTIME_OMIT}));
  };
  ::chmod("file", 0444);
  as({.uid = kUser}, [&] { all_three("owner", 0, 0); });
  as({.uid = kOther}, [&] { all_three("another", EPERM, EACCES); });
  ::chmod("file", 0666);
  as({.uid = kOther}, [&] { all_three("another who may write", EPERM, 0); });
  ::mkdir("closed", 0700);
  put("closed/file", "");
  as({.uid = kUser}, [&] { check.is("unsearchable", set("closed/file", {1, 1}, {1, 1}), EACCES); });
}

void reads_and_writes(Checks& check) {
  put("file", "data");
  set("file", {1000, 0}, {2000, 0});
  File file("file", O_RDWR);
  char data[4];
  check.equal("read", ::pread(file.fd(), data, 4, 0), 4);
  check.equal("change time after a read", status("file").st_mtim.tv_sec, 2000);
  Moment before("file");
  check.equal("write", ::pwrite(file.fd(), "x", 1, 0), 1);
  check.text("times after a write", before.changed(), "mtime ctime");
  struct stat by_name = status("file"), open{};
  ::fstat(file.fd(), &open);
  check.yes("the same by name and open", by_name.st_mtim.tv_nsec == open.st_mtim.tv_nsec);
  Moment again("file");
  check.equal("write of nothing", ::pwrite(file.fd(), "", 0, 0), 0);
  check.text("times", again.changed(), "none");
}

}  // namespace

std::vector<Case> time_cases() {
  return {
      {"times_values", Needs::kNothing, values},        {"times_now_and_omit", Needs::kNothing, now_and_omit},
      {"times_links", Needs::kNothing, links},          {"times_errors", Needs::kNothing, errors},
      {"times_permissions", Needs::kRoot, permissions}, {"times_reads_and_writes", Needs::kNothing, reads_and_writes}};
}

}  // namespace cloche::posix
