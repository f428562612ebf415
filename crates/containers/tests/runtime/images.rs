//! Images: credentials, other names of registries, the image of sandboxes.

use sampan_containers::{CriRuntime, Mirror};
use sampan_runtime::conformance::Guest;
use sampan_runtime::{Credentials, ImagePull, Runtime as _};

use crate::setting::{Setting, guest_image};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_pulled_with_the_credentials_that_fit() {
    let Some(setting) = Setting::new().await else { return };
    let Guest { image, .. } = setting.guest(&["sleeps"]);
    setting.registry.protect("captain:secret");
    let error = setting.runtime.pull(&image).await.unwrap_err();
    assert!(error.retryable() && error.to_string().contains(&image.reference), "{error}");
    let credentials = |password: &str| Credentials {
        registry: setting.registry.host().to_owned(),
        username: "captain".to_owned(),
        password: password.to_owned(),
    };
    let pull = ImagePull { credentials: vec![credentials("wrong"), credentials("secret")], ..image };
    setting.runtime.pull(&pull).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_under_another_name_is_found_with_its_own_password() {
    let Some(setting) = Setting::new().await else { return };
    let Guest { image, .. } = setting.guest(&["sleeps"]);
    setting.registry.protect("captain:secret");
    let endpoint = Credentials {
        registry: setting.registry.host().to_owned(),
        username: "captain".to_owned(),
        password: "secret".to_owned(),
    };
    let mirrors = vec![Mirror { host: "cluster.local".to_owned(), endpoint }];
    let runtime = CriRuntime::new(sampan_containers::Config { mirrors, ..setting.config.clone() });
    let name = image.reference.split_once('/').unwrap().1;
    let reference = format!("cluster.local/{name}");
    let pulled = runtime.pull(&ImagePull { reference: reference.clone(), ..ImagePull::default() }).await.unwrap();
    assert_eq!(pulled.references, std::slice::from_ref(&reference));
    assert_eq!(runtime.image(&reference).await.unwrap(), Some(pulled));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_image_of_sandboxes_is_known() {
    let Some(setting) = Setting::new().await else { return };
    let image = setting.runtime.sandbox_image().await.unwrap().expect("containerd says");
    assert_eq!((image.name.as_str(), image.present), ("sampan.test/pause:1", true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archives_on_the_disk_are_images_that_no_registry_has() {
    let Some(setting) = Setting::new().await else { return };
    let directory = setting.directory.path().join("images");
    std::fs::create_dir(&directory).unwrap();
    let reference = format!("sampan.test/archived:{}", setting.number);
    std::fs::write(directory.join("broken.tar"), "this is no archive").unwrap();
    std::fs::write(directory.join("guest.tar"), guest_image().archive(&reference).unwrap()).unwrap();
    let archives = Some(directory);
    let runtime = CriRuntime::new(sampan_containers::Config { archives, ..setting.config.clone() });
    let imported = async {
        while runtime.image(&reference).await.unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), imported)
        .await
        .expect("it is brought in after the broken one");
}
