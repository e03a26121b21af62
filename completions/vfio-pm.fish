# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for vfio-pm(8). Opens no file of a device.

function __vfio_pm_value --description 'candidates for what the help calls NAME'
    switch $argv[1]
        case DEVICE
            set -l verb (commandline -opc)[2..-1]
            for device in /sys/bus/pci/devices/*
                if contains -- bind $verb
                    test -d $device/vfio-dev; and continue
                else if contains -- enter $verb; or contains -- exit $verb; or contains -- hold $verb; or contains -- unbind $verb; or contains -- run $verb; or contains -- cycle $verb; or contains -- deepen $verb; or contains -- owner $verb
                    test -d $device/vfio-dev; or continue
                end
                string replace -r '.*/' '' $device
            end
        case DRIVER
            for driver in /sys/bus/pci/drivers/*
                string replace -r '.*/' '' $driver
            end
        case STATE
            printf '%s\n' D0 D3hot D3cold
        case DIR
            __fish_complete_directories
        case FILE
            __fish_complete_path
        case choice
            printf '%s\n' $argv[2..-1]
        case LIST COLUMN
            set -l word (commandline -ct | string replace -r -- '^(--output=|-o)' '')
            set -l head (string match -r -- '^.*,|^[+]' $word)
            printf '%s\n' $head$__vfio_pm_columns
        case VERB
            printf '%s\n' $__vfio_pm_verbs
    end
end

# The following is made by completions/generate.sh from `vfio-pm --describe`.
set -g __vfio_pm_verbs list enter exit hold bind unbind help
set -g __vfio_pm_columns 
complete -c vfio-pm -f
complete -c vfio-pm -n __fish_use_subcommand -l sysroot -d 'Read the system below DIR, e.g. a report of another machine' -r -f -a '(__vfio_pm_value DIR)'
complete -c vfio-pm -n __fish_use_subcommand -l verbose -s v -d 'Say on standard error what is done; twice: every step'
complete -c vfio-pm -n __fish_use_subcommand -l help -s ? -d 'Give this help list'
complete -c vfio-pm -n __fish_use_subcommand -l usage -d 'Give a short usage message'
complete -c vfio-pm -n __fish_use_subcommand -l version -s V -d 'Print program version'
complete -c vfio-pm -n __fish_use_subcommand -a list -d 'list devices and their power states'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l help -s ? -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l version -s V -d 'Print program version'
complete -c vfio-pm -n __fish_use_subcommand -a enter -d 'put devices into low power and keep them there'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l no-wait -d 'Return as soon as low power is entered, asleep or not'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l timeout -d 'How long the device may take to fall asleep (default 10s); a number with ms, s, m or h' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l on-wake -d 'Notice when something wakes the device, and then let go of it (exit, the default), enter low power again (reenter), or keep it awake (stay)' -f -a '(__vfio_pm_value choice exit reenter stay)'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l backend -d 'Open the device by its IOMMU group, or by iommufd and its own node (default: cdev where the kernel has it)' -r -f -a '(__vfio_pm_value choice auto group cdev)'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l help -s ? -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l version -s V -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a exit -d 'take devices out of low power and let go of them'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l read -d 'Read a register of the device while it is still open, e.g. 0:0x8; WIDTH is 1, 2 or 4 bytes (default 4). Some registers change when they are read' -r -f -a '(__vfio_pm_value BAR:OFFSET[:WIDTH])'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l help -s ? -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l version -s V -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a hold -d 'the same as enter, in the foreground'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l timeout -d 'How long the device may take to fall asleep (default 10s); a number with ms, s, m or h' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l on-wake -d 'Notice when something wakes the device, and then let go of it (exit, the default), enter low power again (reenter), or keep it awake (stay)' -f -a '(__vfio_pm_value choice exit reenter stay)'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l backend -d 'Open the device by its IOMMU group, or by iommufd and its own node (default: cdev where the kernel has it)' -r -f -a '(__vfio_pm_value choice auto group cdev)'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l help -s ? -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l version -s V -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a bind -d 'give devices to a VFIO driver'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l driver -s d -d 'Give it to driver NAME (vfio-pci)' -r -f -a '(__vfio_pm_value DRIVER)'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l group -s g -d 'All endpoints of its IOMMU group, or none'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l dry-run -d 'Check and tell, but change nothing'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l force -d 'Also take what the host uses'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l timeout -d 'How long to wait for the kernel (30 s)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l help -s ? -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l version -s V -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a unbind -d 'give devices back to the host'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l driver -s d -d 'Give it to driver NAME (the kernel\'s choice)' -r -f -a '(__vfio_pm_value DRIVER)'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l control -d 'Set power/control afterwards; the kernel leaves it \'on\'' -r -f -a '(__vfio_pm_value choice auto on)'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l timeout -d 'How long to wait for the kernel (30 s)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l help -s ? -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l version -s V -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a help -d 'show the help of a verb'
complete -c vfio-pm -n '__fish_seen_subcommand_from help' -l help -s ? -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from help' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from help' -l version -s V -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from help' -a '(__vfio_pm_value VERB)'

