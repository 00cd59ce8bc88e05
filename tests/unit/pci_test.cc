// SPDX-License-Identifier: Apache-2.0
#include "runtime/pci.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kDevice = "0000:03:00.1";

/// A sysfs with the devices that a test puts there.
class Pci : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(root_ / "bus/pci/devices"); }
  void TearDown() override { fs::remove_all(root_); }

  /// @param driver none if empty. @param group none if empty
  void put(const std::string& address, const std::string& driver, const std::string& group = "",
           const std::string& group_name = "") {
    const fs::path device = root_ / "bus/pci/devices" / address;
    fs::create_directories(device);
    if (!driver.empty()) {
      fs::create_symlink("../../drivers/" + driver, device / "driver");
    }
    if (!group.empty()) {
      const fs::path folder = root_ / "kernel/iommu_groups" / group;
      fs::create_directories(folder / "devices");
      fs::create_directory_symlink(folder, device / "iommu_group");
      fs::create_directory_symlink(device, folder / "devices" / address);
      if (!group_name.empty()) {
        std::ofstream(folder / "name") << group_name << "\n";
      }
    }
  }
  std::string why() const { return explain_pci(kDevice, root_); }

  fs::path root_ = fs::path(::testing::TempDir()) / ("sysfs-" + std::to_string(getpid()));
};

TEST_F(Pci, AddressesAreKnownByTheirForm) {
  EXPECT_TRUE(is_pci_address("0000:03:00.1"));
  EXPECT_TRUE(is_pci_address("0000:03:00.1,rx_vec_en=1"));
  for (const char* other : {"03:00.1", "net_ring0", "net_af_xdp0,iface=eth0", ""}) {
    EXPECT_FALSE(is_pci_address(other)) << other;
  }
}

TEST_F(Pci, ADeviceThatIsNotThereOrHasNoDriverIsSaidToBe) {
  EXPECT_THAT(why(), HasSubstr("no such PCI device"));
  put(kDevice, "");
  EXPECT_THAT(why(), HasSubstr("no driver has the device: bind it to vfio-pci"));
}

TEST_F(Pci, AKernelDriverIsNamed) {
  put(kDevice, "ixgbe", "7");
  EXPECT_THAT(why(), HasSubstr("the kernel's driver ixgbe has the device: bind it to vfio-pci"));
  EXPECT_THAT(explain_pci(std::string(kDevice) + ",option=1", root_), HasSubstr("ixgbe"));
}

TEST_F(Pci, VfioWithoutAnIommuSaysHowToGetOne) {
  put(kDevice, "vfio-pci");
  EXPECT_THAT(why(), HasSubstr("intel_iommu=on"));
}

TEST_F(Pci, VfioWithANeighbourThatTheKernelUsesNamesIt) {
  put(kDevice, "vfio-pci", "7");
  put("0000:00:03.0", "pcieport", "7");
  put("0000:03:00.2", "", "7");
  EXPECT_THAT(why(), HasSubstr("another process uses it"));
  put("0000:03:00.0", "ixgbe", "7");
  EXPECT_THAT(why(), HasSubstr("0000:03:00.0 (driver ixgbe)"));
}

TEST_F(Pci, OnlyAnIommuSparesPhysicalAddresses) {
  put(kDevice, "vfio-pci", "7");
  put("0000:03:00.2", "uio_pci_generic");
  put("0000:03:00.3", "vfio-pci", "8", "vfio-noiommu");
  put("0000:03:00.4", "mlx5_core", "9");
  EXPECT_FALSE(uses_physical_addresses(kDevice, root_));
  EXPECT_TRUE(uses_physical_addresses("0000:03:00.2", root_));
  EXPECT_TRUE(uses_physical_addresses("0000:03:00.3", root_));
  EXPECT_FALSE(uses_physical_addresses("0000:03:00.4", root_));
  EXPECT_FALSE(uses_physical_addresses("0000:03:00.5", root_)) << "there is none";
}

}  // namespace
}  // namespace weft::runtime
