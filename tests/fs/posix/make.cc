// mkdir(2), mkfifo(3), mknod(2).
#include "checks.h"

#include <sys/sysmacros.h>

namespace cloche::posix {
namespace {

using Maker = int (*)(const char* path, mode_t mode);
struct Kind {
  const char* name;
  Maker make;
  unsigned type;
};
constexpr Kind kKinds[] = {
    {"mkdir", [](const char* path, mode_t mode) { return err(::mkdir(path, mode)); }, S_IFDIR},
    {"mkfifo", [](const char* path, mode_t mode) { return err(::mkfifo(path, mode)); }, S_IFIFO},
    {"mknod file", [](const char* path, mode_t mode) { return err(::mknod(path, S_IFREG | mode, 0)); }, S_IFREG},
    {"mknod untyped", [](const char* path, mode_t mode) { return err(::mknod(path, mode, 0)); }, S_IFREG},
    {"mknod fifo", [](const char* path, mode_t mode) { return err(::mknod(path, S_IFIFO | mode, 0)); }, S_IFIFO},
    {"mknod socket", [](const char* path, mode_t mode) { return err(::mknod(path, S_IFSOCK | mode, 0)); }, S_IFSOCK},
};

void modes(Checks& check) {
  for (const Kind& kind : kKinds) {
    for (unsigned mask : {0u, 022u, 077u, 0501u}) {
      for (unsigned mode : {0755u, 0777u, 0151u, 0u, 01777u}) {
        ::umask(mask);
        check.ok(kind.name, kind.make("n", mode));
        ::umask(022);
        struct stat made = status("n");
        check.text(std::string(kind.name) + " " + octal(mode) + " under " + octal(mask), octal(made.st_mode),
                   octal(kind.type | (mode & ~mask)));
        check.equal("size or links", kind.type == S_IFDIR ? made.st_nlink : made.st_size, kind.type == S_IFDIR ? 2 : 0);
        remove_any("n");
      }
    }
  }
}

void times(Checks& check) {
  for (const Kind& kind : kKinds) {
    Moment directory(".");
    check.ok(kind.name, kind.make("n", 0755));
    check.text("directory", directory.changed(), "mtime ctime");
    Moment again("."), file("n");
    check.is("there already", kind.make("n", 0755), EEXIST);
    check.text("directory after a refusal", again.changed(), "none");
    check.text("file after a refusal", file.changed(true), "none");
    remove_any("n");
  }
}

void errors(Checks& check) {
  put("file", "");
  ::symlink("loop", "loop");
  ::symlink("none", "dangling");
  for (const Kind& kind : kKinds) {
    std::string what = std::string(kind.name) + " ";
    check.is(what + "in a missing directory", kind.make("none/n", 0755), ENOENT);
    check.is(what + "empty", kind.make("", 0755), ENOENT);
    check.is(what + "below a file", kind.make("file/n", 0755), ENOTDIR);
    check.is(what + "loop", kind.make("loop/n", 0755), ELOOP);
    check.is(what + "256 bytes", kind.make(long_name(256).c_str(), 0755), ENAMETOOLONG);
    check.is(what + "dangling link", kind.make("dangling", 0755), EEXIST);
    check.is(what + "dot", kind.make(".", 0755), EEXIST);
    check.is(what + "dot dot", kind.make("..", 0755), EEXIST);
    check.ok(what + "255 bytes", kind.make(long_name(255).c_str(), 0755));
    check.ok("remove", remove_any(long_name(255)));
    for (Type type : check.types()) {
      make(type, "n");
      check.is(what + name_of(type), kind.make("n", 0755), EEXIST);
      remove_any("n");
    }
  }
  check.ok("mkdir with a slash", err(::mkdir("dir/", 0755)));
  check.is("mkfifo with a slash", err(::mkfifo("fifo/", 0644)), ENOENT);
}

void owner(Checks& check) {
  for (const Kind& kind : kKinds) {
    std::string what = kind.name;
    ::mkdir("dir", 0755);
    as({.uid = kUser}, [&] { check.is(what + " unwritable", kind.make("dir/n", 0755), EACCES); });
    ::chmod("dir", 0666);
    as({.uid = kUser}, [&] { check.is(what + " unsearchable", kind.make("dir/n", 0755), EACCES); });
    ::chmod("dir", 0777);
    as({.uid = kUser, .gid = kOther}, [&] { check.ok(what, kind.make("dir/n", 0755)); });
    check.text(what + " owner", owner_of("dir/n"), "65534:65533");
    remove_any("dir/n");
    ::rmdir("dir");
  }
}

// What is made in a set-group-id directory gets its group, and a directory the bit as well.
void set_group_directory(Checks& check) {
  ::mkdir("dir", 0755);
  ::chown("dir", 0, 777);
  ::chmod("dir", 02777);
  for (const Kind& kind : kKinds) {
    for (gid_t group : {kOther, gid_t{777}}) {
      std::string what = std::string(kind.name) + " by group " + std::to_string(group);
      as({.uid = kUser, .gid = group}, [&] { check.ok(what, kind.make("dir/n", 0755)); });
      check.text(what + " owner", owner_of("dir/n"), "65534:777");
      check.text(what + " mode", octal(mode_of("dir/n")), kind.type == S_IFDIR ? "02755" : "0755");
      remove_any("dir/n");
    }
  }
  as({.uid = kUser, .gid = kOther}, [&] { check.ok("symlink", err(::symlink("x", "dir/n"))); });
  check.text("symlink's owner", owner_of("dir/n"), "65534:777");
}

void parent_links(Checks& check) {
  check.equal("alone", status(".").st_nlink, 2);
  ::mkdir("a", 0755);
  ::mkdir("b", 0755);
  ::mkdir("a/c", 0755);
  put("file", "");
  check.equal("two directories", status(".").st_nlink, 4);
  check.equal("one", status("a").st_nlink, 3);
  check.is("not empty", err(::rmdir("a")), ENOTEMPTY);
  ::rmdir("a/c");
  ::rmdir("a");
  check.equal("one left", status(".").st_nlink, 3);
}

void devices(Checks& check) {
  for (unsigned type : {S_IFBLK, S_IFCHR}) {
    for (auto [major_number, minor_number] : {std::pair{1u, 2u}, std::pair{255u, 255u}, std::pair{300u, 70000u}}) {
      check.ok("mknod", err(::mknod("n", type | 0640, ::makedev(major_number, minor_number))));
      struct stat made = status("n");
      check.text("type and mode", octal(made.st_mode), octal(type | 0640));
      check.equal("major", ::major(made.st_rdev), major_number);
      check.equal("minor", ::minor(made.st_rdev), minor_number);
      check.ok("chmod", err(::chmod("n", 0600)));
      check.ok("chown", err(::lchown("n", 5, 6)));
      check.ok("link", err(::link("n", "m")));
      check.equal("links", status("n").st_nlink, 2);
      check.ok("rename", err(::rename("m", "o")));
      check.ok("unlink", err(::unlink("o")));
      check.ok("unlink", err(::unlink("n")));
    }
  }
  ::chmod(".", 0777);
  as({.uid = kUser}, [&] {
    check.is("by a user", err(::mknod("n", S_IFBLK | 0640, ::makedev(1, 2))), EPERM);
    check.is("by a user", err(::mknod("n", S_IFCHR | 0640, ::makedev(1, 2))), EPERM);
  });
}

}  // namespace

std::vector<Case> make_cases() {
  return {{"make_modes", Needs::kNothing, modes},
          {"make_times", Needs::kNothing, times},
          {"make_errors", Needs::kNothing, errors},
          {"make_owner", Needs::kRoot, owner},
          {"make_set_group_directory", Needs::kRoot, set_group_directory},
          {"make_parent_links", Needs::kNothing, parent_links},
          {"make_devices", Needs::kDevices, devices}};
}

}  // namespace cloche::posix
