use super::*;

const STAT: &str = "cpu  100 20 30 4000 500 6 7 8 90 0\ncpu0 50 10 15 2000 250 3 3 4 45 0\nctxt 1\nbtime 1700000000\n";
const MEMINFO: &str = "MemTotal:        1000 kB\nMemFree:          300 kB\nMemAvailable:     500 kB\nActive(file):     100 kB\n\
    Inactive(file):   200 kB\nHugePages_Total:       0\n";

#[test]
fn busy_time_is_all_but_idling_and_waiting() {
    let (used, started) = parse_cpu(STAT, 100).unwrap();
    assert_eq!((used, started.as_second()), (Duration::from_millis(1710), 1_700_000_000));
    for broken in ["", "cpu  1 x\nbtime 1\n", "cpu  1 2 3\n"] {
        assert_eq!(parse_cpu(broken, 100), None, "{broken:?}");
    }
}

#[test]
fn pages_of_files_nobody_looked_at_are_no_working_set() {
    let memory = parse_memory(MEMINFO).unwrap();
    assert_eq!(memory, Memory { total: 1_024_000, used: 716_800, working_set: 512_000 });
    assert_eq!(memory.available(), 512_000);
    assert_eq!(parse_memory("MemTotal: 1 kB\n"), None);
}

#[test]
fn threads_stand_behind_the_slash() {
    assert_eq!(parse_threads("0.20 0.18 0.12 1/80 11206\n"), Some(80));
    assert_eq!(parse_threads("0.20"), None);
}

#[test]
fn this_machine_can_be_read() {
    let machine = Machine::new();
    let (used, _) = machine.cpu().unwrap();
    let memory = machine.memory().unwrap();
    assert!(!used.is_zero() && memory.working_set > 0 && memory.used <= memory.total, "{used:?} {memory:?}");
    let processes = machine.processes().unwrap();
    assert!(processes.running > 0 && processes.running <= processes.most, "{processes:?}");
    let disk = file_system(Path::new(".")).unwrap();
    assert!(disk.available <= disk.capacity && disk.capacity > 0, "{disk:?}");
    let missing = Machine { proc: "/nowhere".into() }.memory().unwrap_err();
    assert!(missing.to_string().starts_with("failed to read /nowhere/meminfo"), "{missing}");
}
