#include "guest/init/disks.h"

#include <gmock/gmock.h>
#include <sys/mount.h>

namespace cloche::init {
namespace {

using ::testing::ElementsAre;

TEST(Disks, MountOptions) {
  MountOptions options = parse_mount_options("noatime,data=journal,,ro,commit=5");
  EXPECT_EQ(options.flags, static_cast<unsigned long>(MS_NOATIME | MS_RDONLY));
  EXPECT_EQ(options.data, "data=journal,commit=5");
  EXPECT_EQ(parse_mount_options("ro,rw").flags, 0u);
  EXPECT_EQ(parse_mount_options("").data, "");
  EXPECT_EQ(parse_mount_options("defaults").data, "");
}

TEST(Disks, FileSystemsOfDevices) {
  std::string_view text = "nodev\tsysfs\nnodev\tproc\n\text3\n\text4\nnodev\toverlay\n\tiso9660";
  EXPECT_EQ(next_file_system(text), "ext3");
  EXPECT_EQ(next_file_system(text), "ext4");
  EXPECT_EQ(next_file_system(text), "iso9660");
  EXPECT_EQ(next_file_system(text), "");
}

TEST(Disks, MountsOfDisks) {
  EXPECT_THAT(
      disk_mounts("proc /proc proc rw 0 0\n/dev/vda / ext4 rw 0 0\n/dev/vdb1 /a\\040b\\134 ext4 rw 0 0\n"
                  "share0 /vd virtiofs rw 0 0\n/dev/root /r ext4 rw 0 0\n/dev/vdc"),
      ElementsAre(DiskMount{"vda", "/"}, DiskMount{"vdb", "/a b\\"}, DiskMount{"", "/r"}, DiskMount{"vdc", ""}));
}

}  // namespace
}  // namespace cloche::init
