// chmod(2), fchmod(2): modes, times, who may, and what a mode loses.
#include "checks.h"

namespace cloche::posix {
namespace {

void modes(Checks& check) {
  for (Type type : check.types()) {
    if (type == Type::kSymlink) continue;
    std::string what = name_of(type);
    check.ok("make " + what, make(type, "n"));
    for (unsigned mode : {0u, 0111u, 0222u, 0444u, 0755u, 0777u, 01755u, 02755u, 04755u, 07777u, 0644u}) {
      check.ok(what + " chmod " + octal(mode), err(::chmod("n", mode)));
      check.text(what + " mode", octal(mode_of("n")), octal(mode));
    }
    check.ok("remove " + what, remove_any("n"));
  }
}

void through_links(Checks& check) {
  put("file", "");
  check.ok("symlink", err(::symlink("file", "link")));
  check.ok("chmod link", err(::chmod("link", 0600)));
  check.text("file", octal(mode_of("file")), "0600");
  check.text("link", octal(mode_of("link")), "0777");
  check.is("fchmodat nofollow of a link", err(::fchmodat(AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW)), EOPNOTSUPP);
  File file("file", O_RDONLY);
  check.ok("fchmod", err(::fchmod(file.fd(), 0640)));
  check.text("fchmod mode", octal(mode_of("file")), "0640");
  File path("file", O_PATH);
  check.is("fchmod of O_PATH", err(::fchmod(path.fd(), 0600)), EBADF);
}

void times(Checks& check) {
  for (Type type : check.types()) {
    if (type == Type::kSymlink) continue;
    make(type, "n");
    Moment before("n");
    check.ok("chmod", err(::chmod("n", 0600)));
    check.text(std::string(name_of(type)) + " times", before.changed(true), "ctime");
    remove_any("n");
  }
}

void errors(Checks& check) {
  put("file", "");
  make(Type::kSymlink, "dangling");
  ::symlink("loop2", "loop1");
  ::symlink("loop1", "loop2");
  check.is("missing", err(::chmod("none", 0600)), ENOENT);
  check.is("dangling", err(::chmod("dangling", 0600)), ENOENT);
  check.is("empty", err(::chmod("", 0600)), ENOENT);
  check.is("below a file", err(::chmod("file/x", 0600)), ENOTDIR);
  check.is("file with a slash", err(::chmod("file/", 0600)), ENOTDIR);
  check.is("loop", err(::chmod("loop1", 0600)), ELOOP);
  check.is("loop in the middle", err(::chmod("loop1/x", 0600)), ELOOP);
  check.is("256 bytes", err(::chmod(long_name(256).c_str(), 0600)), ENAMETOOLONG);
  check.is("4096 bytes", err(::chmod(("./" + long_name(4095)).c_str(), 0600)), ENAMETOOLONG);
  check.is("bad address", err(::chmod(reinterpret_cast<const char*>(1), 0600)), EFAULT);
}

void permissions(Checks& check) {
  for (Type type : check.types()) {
    if (type == Type::kSymlink) continue;
    std::string what = name_of(type);
    make(type, "n");
    ::chown("n", kUser, kUser);
    as({.uid = kUser}, [&] { check.ok(what + " by its owner", err(::chmod("n", 0600))); });
    Moment before("n");
    as({.uid = kOther}, [&] { check.is(what + " by another", err(::chmod("n", 0666)), EPERM); });
    check.text(what + " unchanged", octal(mode_of("n")) + " " + before.changed(true), "0600 none");
    remove_any("n");
  }
  ::mkdir("closed", 0700);
  put("closed/file", "");
  ::chown("closed/file", kUser, kUser);
  as({.uid = kUser}, [&] { check.is("unsearchable", err(::chmod("closed/file", 0600)), EACCES); });
}

// The set-group-id bit goes when the owner of a file is not in its group.
void set_group(Checks& check) {
  put("file", "");
  ::chown("file", kUser, kOther);
  as({.uid = kUser, .gid = kUser}, [&] { check.ok("not a member", err(::chmod("file", 02755))); });
  check.text("loses it", octal(mode_of("file")), "0755");
  as({.uid = kUser, .gid = kUser, .groups = {kOther}}, [&] { check.ok("a member", err(::chmod("file", 02755))); });
  check.text("keeps it", octal(mode_of("file")), "02755");
  ::mkdir("dir", 0755);
  ::chown("dir", kUser, kOther);
  as({.uid = kUser, .gid = kUser}, [&] { check.ok("directory, not a member", err(::chmod("dir", 02755))); });
  check.text("directory loses it", octal(mode_of("dir")), "0755");
  ::chown("dir", 0, kOther);
  check.ok("root", err(::chmod("dir", 02755)));
  check.text("root keeps it", octal(mode_of("dir")), "02755");
  as({.uid = kUser, .gid = kUser}, [&] { put("mine", ""); });
}

}  // namespace

std::vector<Case> chmod_cases() {
  return {{"chmod_modes", Needs::kNothing, modes},          {"chmod_through_links", Needs::kNothing, through_links},
          {"chmod_times", Needs::kNothing, times},          {"chmod_errors", Needs::kNothing, errors},
          {"chmod_permissions", Needs::kRoot, permissions}, {"chmod_set_group", Needs::kRoot, set_group}};
}

}  // namespace cloche::posix
